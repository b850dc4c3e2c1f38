import pytest

from prefsvc.mail import read
from prefsvc.mail.hypertext import plain_text
from prefsvc.mail.message import parse
from prefsvc.mail.reply import own_part, own_words
from tests.unit.mail.letters import letter, multipart

ATTRIBUTIONS = [
    "On Mon, 6 May 2024 at 10:12, Acme <news@acme.example.com> wrote:",
    "On 6 May 2024, at 10:12, Acme wrote:",
    "On Mon, 6 May 2024 at 10:12, Acme News and Offers\n<news@acme.example.com> wrote:",
    "Am Mo., 6. Mai 2024 um 10:12 Uhr schrieb Acme <news@acme.example.com>:",
    "Am 06.05.2024 um 10:12 schrieb Acme:",
    "Le lun. 6 mai 2024 à 10:12, Acme <news@acme.example.com> a écrit :",
    "El lun, 6 may 2024 a las 10:12, Acme (<news@acme.example.com>) escribió:",
    "Il giorno lun 6 mag 2024 alle ore 10:12 Acme <news@acme.example.com>\nha scritto:",
    "Em seg., 6 de mai. de 2024 às 10:12, Acme <news@acme.example.com> escreveu:",
    "Op ma 6 mei 2024 om 10:12 schreef Acme <news@acme.example.com>:",
    "Den mån 6 maj 2024 kl 10:12 skrev Acme <news@acme.example.com>:",
    "man. 6. maj 2024 kl. 10.12 skrev Acme <news@acme.example.com>:",
    "ma 6. toukok. 2024 klo 10.12 Acme (news@acme.example.com) kirjoitti:",
    "pon., 6 maj 2024 o 10:12 Acme <news@acme.example.com> napisał(a):",
    "po 6. 5. 2024 v 10:12 odesílatel Acme <news@acme.example.com> napsal:",
    "пн, 6 мая 2024 г. в 10:12, Acme <news@acme.example.com>:",
    "2024年5月6日(月) 10:12 Acme <news@acme.example.com>:",
    "在 2024年5月6日，10:12，Acme <news@acme.example.com> 写道：",
    "2024년 5월 6일 (월) 오전 10:12, Acme <news@acme.example.com>님이 작성:",
    '06.05.2024, 10:12, "Acme" <news@acme.example.com>:',
    "-----Acme <news@acme.example.com> wrote: -----",
]
HEADERS = [
    "From: Acme <news@acme.example.com>\nSent: Monday, May 6, 2024 10:12 AM\nTo: Ann\nSubject: New",
    "*From:* Acme <news@acme.example.com>\n*Date:* Monday\n*To:* Ann",
    "____________________\nVon: Acme <news@acme.example.com>\nGesendet: Montag\nAn: Ann",
    "De : Acme <news@acme.example.com>\nEnvoyé : lundi 6 mai 2024\nÀ : Ann\nObjet : Neuf",
    "De: Acme <news@acme.example.com>\nEnviado: lunes\nPara: Ann\nAsunto: Nuevo",
    "Da: Acme <news@acme.example.com>\nInviato: lunedì\nA: Ann\nOggetto: Nuovo",
    "Van: Acme <news@acme.example.com>\nVerzonden: maandag\nAan: Ann\nOnderwerp: Nieuw",
    "Från: Acme <news@acme.example.com>\nSkickat: måndag\nTill: Ann\nÄmne: Nytt",
    "От: Acme <news@acme.example.com>\nОтправлено: понедельник\nКому: Ann\nТема: Новое",
    "发件人: Acme <news@acme.example.com>\n发送时间: 2024年5月6日\n收件人: Ann\n主题: 新",
    "差出人: Acme <news@acme.example.com>\n送信日時: 2024年5月6日\n宛先: Ann\n件名: 新",
    "-----Original Message-----\nHello",
    "----- Ursprüngliche Nachricht -----\nHallo",
    "---------- Forwarded message ---------\nHello",
    "-------- Исходное сообщение --------\nПривет",
    # A language that no table knows: labels, an address and a time.
    "Kutoka: Acme <news@acme.example.com>\nImetumwa: 6 Mei 10:12\nKwa: Ann\nMada: Mpya",
]
FOOTERS = [
    "You are receiving this email because you signed up.\nUnsubscribe | Preferences",
    "If you no longer wish to receive these emails, unsubscribe here.",
    "To unsubscribe, click here: https://acme.example.com/u",
    "Unsubscribe: https://acme.example.com/u",
    "Click here to unsubscribe",
    "Wenn Sie keine Mails mehr erhalten möchten, können Sie sich hier abmelden.",
    "Pour ne plus recevoir nos messages, cliquez ici pour vous désabonner.",
    "Si no desea recibir más correos, haga clic aquí para darse de baja.",
    "Om u zich wilt uitschrijven, klik hier.",
    "_______________________________________________\nclub mailing list\nTo leave: STOP",
    "--\nAnn Smith\nUnsubscribe manager",
    "Sent from my iPhone\n\nunsubscribe",
]
REQUEST = "please unsubscribe me"


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_what_is_quoted_below_an_attribution_is_not_the_persons(attribution):
    for quoted in (f"> {REQUEST}\n> more", f"{REQUEST}\n\nmore"):
        text = f"See you tomorrow.\n\n{attribution}\n\n{quoted}"
        assert own_part(text) == "See you tomorrow."
        assert read(letter(text, "Re: News")).outcome == "ignored"


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_what_stands_above_or_below_a_quotation_is_the_persons(attribution):
    assert own_part(f"{REQUEST}\n{attribution}\n> Big sale") == REQUEST
    assert own_part(f"{attribution}\n> Big sale\n> today\n\n{REQUEST}") == REQUEST


@pytest.mark.parametrize("header", HEADERS)
def test_what_stands_below_a_pasted_header_is_not_the_persons(header):
    assert own_part(f"See you tomorrow.\n\n{header}\n\n{REQUEST}").startswith("See you tomorrow.")
    assert REQUEST not in own_part(f"See you tomorrow.\n\n{header}\n\n{REQUEST}")
    assert REQUEST in own_part(f"{REQUEST}\n\n{header}\n\nBig sale")


@pytest.mark.parametrize("footer", FOOTERS)
def test_a_footer_or_signature_asks_for_nothing(footer):
    text = f"Please find the invoice attached.\n\n{footer}"
    assert own_part(text) == "Please find the invoice attached."
    assert read(letter(text, "Invoice")).outcome == "ignored"


@pytest.mark.parametrize(
    "text",
    [
        "From: Rome\nTo: Oslo\nbook me a seat",
        "On Monday I wrote:\nnothing",
        "I have three wishes:\n\nunsubscribe me",
        "Call me at 10:30\nplease",
        "To unsubscribe me was what I asked",
    ],
)
def test_what_only_looks_like_a_quotation_stays(text):
    assert own_part(text) == text


def test_a_quoted_line_that_was_wrapped_is_quoted_to_its_end():
    long = "> Duis ut libero eu lectus consequat consequat ut vel lorem vestibulum or"
    assert own_part(f"Thanks\n{long}\nunsubscribe here\n> Sale") == "Thanks"
    assert own_part(f"> Hi\n{REQUEST}\n> Sale") == REQUEST


QUOTED = f"<p>{REQUEST}</p>"


@pytest.mark.parametrize(
    "source",
    [
        f"<div>Hello</div><blockquote type=cite>{QUOTED}</blockquote>",
        f'<div>Hello</div><div class="gmail_quote">On 6 May 2024 Acme wrote:<br>{QUOTED}</div>',
        f'<p>Hello</p><div id="divRplyFwdMsg"><b>From:</b> Acme</div><div>{QUOTED}</div>',
        f'<p>Hello</p><div id="appendonsend"></div>{QUOTED}',
        f'<p>Hello</p><span id="OLK_SRC_BODY_SECTION">{QUOTED}</span>',
        f"<p>Hello</p><div style='border:none;border-top:solid #B5C4DF 1.0pt'>{QUOTED}</div>",
        f'<p>Hello</p><hr id="stopSpelling">Date: Mon<br>{QUOTED}',
        f'<p>Hello</p><div class="ydp1a2byahoo_quoted">{QUOTED}</div>',
        f'<p>Hello</p><div class="protonmail_quote">{QUOTED}</div>',
        f'<p>Hello</p><div class="moz-forward-container">-------- Forwarded --------{QUOTED}</div>',
        f'<p>Hello</p><div style="display:none">{QUOTED}</div>',
        f'<p>Hello</p><div class="gmail_signature">{QUOTED}</div>',
        '<p>Hello</p><a href="https://acme.example.com/u">Unsubscribe</a>',
        f"<style>{REQUEST}</style><p>Hello</p><!-- {REQUEST} --><script>{REQUEST}</script>",
    ],
)
def test_what_html_quotes_hides_or_links_is_not_the_persons(source):
    assert own_words(parse(letter(source, kind="text/html"))) == "Hello"


@pytest.mark.parametrize(
    "source",
    [
        "<div>please <b>unsub</b>scribe me</div><blockquote>Sale</blockquote>",
        "<blockquote>Sale</blockquote><div>please unsubscribe me</div>",
        '<div class="gmail_quote">Acme wrote:<blockquote>x</blockquote>please unsubscribe me</div>',
        "<P>please&nbsp;unsubscribe&#32;me",
        "please unsubscribe<span title='a > b'> me</span></td></div></div>",
    ],
)
def test_the_persons_words_are_found_in_html(source):
    assert own_words(parse(letter(source, kind="text/html"))) == REQUEST


def test_plain_text_is_read_before_html_and_attachments_never():
    plain = "Content-Type: text/plain\n\nHello"
    marked_up = f"Content-Type: text/html\n\n{QUOTED}"
    attached = f"Content-Type: text/plain\nContent-Disposition: attachment\n\n{REQUEST}"
    assert own_words(parse(multipart(attached, marked_up, plain))) == "Hello"
    assert own_words(parse(multipart(attached, marked_up))) == REQUEST
    assert own_words(parse(multipart(attached))) == ""


def test_a_name_in_angle_brackets_is_no_tag():
    assert plain_text("On Monday Ann <ann@example.org> wrote: 1 < 2") == (
        "On Monday Ann <ann@example.org> wrote: 1 < 2"
    )
