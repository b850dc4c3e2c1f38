import pytest

from prefsvc.mail import read
from prefsvc.mail.requests import named_addresses, of_subject, of_text
from tests.unit.mail.letters import ANN, BOB, letter

STOPS = [
    "please take my address off",
    "Betreff: Abmelden",
    "Hello,\n\nPlease remove my email from your mailing list.\n\nBest regards\nAnn Smith\nCEO",
    f"Kindly remove {ANN} from your database",
    "Please delete my email address from your list",
    "Could you take us off this distribution list? Thank you.",
    "I would like to be removed from all future mailings.",
    "I object to the processing of my data for direct marketing.",
    "We hereby withdraw our consent to receive your newsletter.",
    "Hallo,\n\nbitte entfernen Sie mich aus Ihrem Verteiler.\n\nMit freundlichen Grüßen\nAnna",
    "Hiermit widerspreche ich der Nutzung meiner Daten zu Werbezwecken.",
    "Merci de me désinscrire de votre liste",
    "Enlevez-moi de votre liste",
    "Por favor, eliminen mi correo de su lista",
    "Cancellami dalla newsletter",
    "verwijder mij uit uw bestand",
    "Hi there\nunsubscribe\nThanks, Ann",
    "odhlásit",
    "退会希望",
    "Please don't send me any more email",
    "Don't send me any more mail.",
    "Send me no more mail",
    "Stop the mails",
    "Stop mailing me!",
    "I do not want your mail",
    "The unsubscribe link does not work",
    "I can't unsubscribe",
    "UNSUBSCRIBE\n\nSent from my iPhone",
]
SUBJECTS = [
    "Remove From Mailing List",
    "remove from mailing list",
    "UNSUBSCRIBE!!",
    "unsubscribe",
    "unsubscribe acme-news",
    "Unsubscribe 12345-abc",
    f"unsubscribe {ANN}",
    "signoff NEWS-L",
    "leave",
    "Opt out",
    "Abmeldung vom Newsletter",
    "Désabonnement newsletter",
    "Cancelar suscripción",
    "Disiscrizione",
    "配信停止希望",
    "取消订阅",
]
ORDINARY = [
    "Thanks, I got it.",
    "Please cancel my order 123.",
    "Where is my order? You can remove the second item from the basket.",
    "Great newsletter! How do I forward it to a friend?",
    "Please change my email address to the one below.",
    "Can we stop by at five?",
    "Please don't unsubscribe me, I love it",
    "Bitte melden Sie sich bei mir.",
    "Don't send me an email, call me",
    "I don't want to stop the mails",
    "Please never stop these mails",
    "My login doesn't work",
    "We could not open the attachment",
]


@pytest.mark.parametrize("text", STOPS)
def test_what_people_write_to_be_removed_is_a_request(text):
    assert of_text(text).asked == "stop"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_removal_subject_is_a_request(subject):
    assert of_subject(subject).asked == "stop"
    assert read(letter("", subject)).outcome == "opt_out"


def test_who_asks_why_is_heard_though_footers_ask_it_too():
    why = "Why am I receiving this? I never asked for it, remove me"
    assert read(letter(why, "Re: Sale")).outcome == "opt_out"
    assert read(letter("Why am I getting this?", "Re: Sale")).outcome == "ask"
    below = "Lovely, thanks!\n\nWhy am I getting this?\nUnsubscribe"
    assert read(letter(below, "Re: Sale")).outcome == "ignored"


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_letter_asks_for_nothing(text):
    assert of_text(text).asked == "none"
    assert read(letter(text, "Question")).outcome == "ignored"


@pytest.mark.parametrize("subject", ["Leave 12.05. to 16.05.", "Remove the old one", "List of 3"])
def test_a_subject_that_begins_like_a_command_is_none(subject):
    assert of_subject(subject).asked == "none"


@pytest.mark.parametrize("text", ["Who is this?", "Does your product also unsubscribe users?"])
def test_what_may_be_a_request_is_asked_about(text):
    assert read(letter(text, "Re: Hello")).outcome == "ask"


def test_a_request_far_down_a_long_letter_is_asked_about():
    story = "We went to the market and bought two apples.\n" * 60
    assert of_text(f"please unsubscribe me\n{story}").asked == "stop"
    assert of_text(f"{story}please unsubscribe me").asked == "ask"
    assert of_text(story).asked == "none"


def test_a_word_alone_far_down_is_no_command():
    lines = "one\ntwo\nthree\nfour\nfive\n"
    assert of_text(f"{lines}leave").asked == "none"
    assert of_text("leave\n" + lines).asked == "stop"


def test_what_intent_says_of_the_scope_is_kept():
    assert of_text("STOP ALL").scope == "everything"
    assert of_text("stop the offers").scope == "offers"


def test_addresses_are_named_only_on_the_line_of_the_request():
    text = f"please unsubscribe {BOB} and Carol@Example.net\nyours, {ANN}"
    assert named_addresses(text) == [BOB, "carol@example.net"]
