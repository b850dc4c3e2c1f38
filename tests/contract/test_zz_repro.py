import requests, json
def test_r(running):
    h={"Authorization": f"Bearer {running.start.keys['mailer']}"}
    for q in ("format=ndjson&hashed=true","format=csv&hashed=true","format=csv", "format=ndjson"):
        try:
            r=requests.get(running.start.url+"/v1/brands/acme/suppressions?"+q,headers=h)
            print(r.status_code, r.text)
        except Exception as e: print("!!",q,e)
    # probes
    hh={"Authorization": f"Bearer {running.start.keys['house']}"}
    def p(path, **k):
        r=requests.request(k.pop("method","POST"), running.start.url+path, headers=hh|k.pop("headers",{}), **k)
        print(path, str(k)[:90], r.status_code, r.text[:160])
    b="/v1/brands/acme"
    for at in ("0001-01-01T00:00:00+14:00","0001-01-01T00:00:00Z","0001-01-03T00:00:00Z","1000-01-01T00:00:00Z","1900-01-01T00:00:00Z","9999-12-31T23:59:59-14:00"):
        for ch,ad in (("email","x@gmail.com"),):
            p(b+"/opt-outs", json={"channel":ch,"address":ad+at[:4],"received_at":at})
            p(b+"/opt-outs", json={"channel":ch,"address":ad+at[:4],"scope":"third_party_sharing","sent_at":at})
    p(b+"/opt-outs", data='{"channel":"email","address":"a@example.org","evidence":{"a":'+'['*900+']'*900+'}}')
    p(b+"/opt-outs", json={"channel":"email","address":"b@example.org","evidence":{"a":2**80,"b":1.5e300, "":{}, "é\ud7ff":"x"*9000}}, headers={"Idempotency-Key":'"a b"'})
    p(b+"/senders/a%00b/clearance", method="GET")
    p(b+"/senders/%FF/clearance", method="GET")
    p(b+"/senders/%ED%A0%80/clearance", method="GET")
    p("/v1/brands/%00", method="GET")
    p("/u/%00", method="GET")
    p("/u/%00")
    p("/u/"+running.tokens[0]+"?lang=%00%ff", method="GET", headers={"Accept-Language":"\xff;q=x,,,;;"})
    p("/u/"+running.tokens[0]+"/undo", data=b"ticket=%00")
    p(b+"/opt-outs/%7B0199f3a2-7c1e-7b1f-9d6a-2f41c0a8e511%7D", method="GET")
    p("/v1/brands/globex/suppressions?channel=post", method="GET")
    p("/v1/brands/globex/opt-outs", json={"channel":"post","address":"k1"})
    p(b+"/links", data=b'{"address":"a@example.org","topic":"%s"}' % ("é"*40).encode())
    p(b+"/links", data=b'')
    p(b+"/links", data=b'{"address":"a@example.org","form":"short","topic":"%s"}\n\xff\n' % ("é"*64).encode())
    p(b+"/headers", json={"address":"é"*310+"@example.org"})
    p(b+"/headers", json={"address":"a@example.org","topic":"orders"})
    p(b+"/headers", json={"address":"+12025550123"})
    p(b+"/feed/acknowledgements", json={"cursor":"x"})
    p(b+"/check", json={"channel":"email","addresses":["a@example.org","nope"],"topic":"a\x01"})
    p(b+"/opt-ins", json={"channel":"email","address":"a@example.org","source":"phone","evidence":{"a":1},"received_at":"0001-01-01T00:00:00+14:00"})
    p("/v1/brands", method="GET", headers={"Authorization":"Bearer psk_\xff"})
    p("/v1/brands", method="GET", headers={"Expect":"nonsense"})
    p("/readyz", method="DELETE"); p("/nope", method="GET")
    p(b+"/opt-outs", data=b"x", headers={"Content-Encoding":"gzip"})
    p(b+"/links", data=b"x", headers={"Content-Encoding":"gzip"})
    p("/u/"+running.tokens[0], data=b"x", headers={"Content-Encoding":"gzip"})
