"""Every route there is, under the name that openapi.yaml gives it. A test holds the two equal."""

from aiohttp import web

from prefsvc.web import (
    alarm_api,
    case_api,
    delivery_api,
    docs,
    endpoint_api,
    forged_api,
    health,
    import_api,
    ledger_api,
    link_api,
    links,
    list_api,
    mail_api,
    mailing_api,
    opt_out_api,
    review_api,
    send_api,
    sender_api,
    snapshot_api,
    twilio_api,
)

BRAND = "/v1/brands/{brand}"
ENDPOINT = BRAND + "/endpoints/{endpoint_id}"

ROUTES = [
    web.get("/", docs.get_home),
    # The link door. A slash that some program added is no reason to redirect (RULES E-12).
    web.get("/u/{token}", links.get_link),
    web.post("/u/{token}", links.post_link),
    web.options("/u/{token}", links.options_link),
    web.post("/u/{token}/undo", links.post_undo),
    web.get("/u/{token}/undo/{ticket}", links.get_receipt_undo),
    web.post("/u/{token}/undo/{ticket}", links.post_receipt_undo),
    # A path is compared with these from top to bottom: those that are asked most come first.
    web.post(f"{BRAND}/opt-outs", opt_out_api.post_opt_out),
    web.post(f"{BRAND}/check", list_api.post_check),
    web.get(f"{BRAND}/feed", list_api.get_feed),
    # Opt-outs and opt-ins.
    web.get(f"{BRAND}/opt-outs/{{opt_out_id}}", opt_out_api.get_opt_out),
    web.post(f"{BRAND}/opt-ins", opt_out_api.post_opt_in),
    # Lists of opt-outs that the company has already.
    web.get(f"{BRAND}/imports", import_api.get_imports),
    web.put(f"{BRAND}/imports/{{import}}", import_api.put_import),
    web.get(f"{BRAND}/imports/{{import}}", import_api.get_import),
    # Raw mails. Mailgun posts the raw message only to addresses that end in mime.
    web.post(f"{BRAND}/mails", mail_api.post_mail),
    web.post(f"{BRAND}/mails/mime", mail_api.post_mail),
    web.post(f"{BRAND}/mails/lint", mail_api.post_mail_lint),
    web.post(f"{BRAND}/mails/forged", forged_api.post_forged),
    # Links.
    web.post(f"{BRAND}/links", link_api.post_links),
    web.post(f"{BRAND}/headers", link_api.post_headers),
    # Lists.
    web.get(f"{BRAND}/suppressions", snapshot_api.get_suppressions),
    web.post(f"{BRAND}/feed/acknowledgements", list_api.post_acknowledgement),
    # Senders, brands, the ledger.
    web.get("/v1/brands", sender_api.get_brands),
    web.get(BRAND, sender_api.get_brand),
    web.get(f"{BRAND}/senders", sender_api.get_senders),
    web.get(f"{BRAND}/senders/{{sender}}/clearance", sender_api.get_clearance),
    web.get(f"{BRAND}/alarms", alarm_api.get_alarms),
    web.get(f"{BRAND}/ledger/checkpoints", ledger_api.get_checkpoints),
    # Mailings, send reports, cases.
    web.post(f"{BRAND}/mailings", mailing_api.post_mailing),
    web.get(f"{BRAND}/mailings", mailing_api.get_mailings),
    web.get(f"{BRAND}/mailings/{{mailing}}", mailing_api.get_mailing),
    web.post(f"{BRAND}/sends", send_api.post_sends),
    web.get(f"{BRAND}/cases", case_api.get_cases),
    web.get(f"{BRAND}/cases/{{case_id}}", case_api.get_case),
    web.post(f"{BRAND}/cases/{{case_id}}/notes", case_api.post_note),
    web.post(f"{BRAND}/cases/{{case_id}}/resolution", case_api.post_resolution),
    # Doubtful replies.
    web.get(f"{BRAND}/reviews", review_api.get_reviews),
    web.get(f"{BRAND}/reviews/{{review_id}}", review_api.get_review),
    web.post(f"{BRAND}/reviews/{{review_id}}/decision", review_api.post_decision),
    # What Twilio was told.
    web.get(f"{BRAND}/twilio", twilio_api.get_twilio),
    # Where notices go.
    web.post(f"{BRAND}/endpoints", endpoint_api.post_endpoint),
    web.get(f"{BRAND}/endpoints", endpoint_api.get_endpoints),
    web.get(ENDPOINT, endpoint_api.get_endpoint),
    web.delete(ENDPOINT, endpoint_api.delete_endpoint),
    web.post(f"{ENDPOINT}/enable", endpoint_api.post_enable),
    web.post(f"{ENDPOINT}/secret", endpoint_api.post_secret),
    web.post(f"{ENDPOINT}/test", delivery_api.post_test),
    web.post(f"{ENDPOINT}/replay", delivery_api.post_replay),
    web.get(f"{ENDPOINT}/deliveries", delivery_api.get_deliveries),
    web.post(f"{ENDPOINT}/deliveries/{{delivery_id}}/replay", delivery_api.post_delivery_replay),
    # The service itself.
    web.get("/livez", health.get_livez),
    web.get("/readyz", health.get_readyz),
    web.get("/metrics", health.get_metrics),
    web.get("/openapi.yaml", docs.get_openapi_yaml),
    web.get("/openapi.json", docs.get_openapi_json),
    web.get("/docs", docs.get_docs),
]

SLASHED = [
    web.get("/u/{token}/", links.get_link),
    web.post("/u/{token}/", links.post_link),
    web.options("/u/{token}/", links.options_link),
]
"""The same with a slash at the end, which the document does not repeat."""
