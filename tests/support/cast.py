"""The cast: Ann and Bob write to acme; globex is the other brand, which must never leak."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prefsvc.brand import Brand

ANN = "ann@example.org"
BOB = "bob@example.org"
ANNS_PHONE = "+12025550123"
ACMES_NUMBER = "+12025550100"
TWILIO_TOKEN = "0123456789abcdef0123456789abcdef"
TELNYX_PUBLIC_KEY = "3LVIvPVS93J1xJR0Gaf4JYo2+ad0M5UvuOMeYEpJwkY="
ACMES_PROFILE = "40017d4e-0000-4000-8000-000000000acc"  # of Telnyx
ORIGIN = "https://stop.example.com"

ACME = """
slug = "acme"
name = "Acme"
languages = ["en", "de"]
time_zone = "America/New_York"
country = "US"
channels = ["email", "sms", "post"]
domains = ["mail.acme.example.com"]
numbers = ["+12025550100"]
messaging_services = [
  "MG00000000000000000000000000000acc",
  "40017d4e-0000-4000-8000-000000000acc",
]
rules = ["can-spam", "tcpa"]
[support]
email = "help@acme.example.com"
[[topics]]
slug = "news"
name = "News"
channels = ["email", "sms"]
[topics.names]
de = "Neues"
[[topics]]
slug = "offers"
name = "Offers"
channels = ["email"]
[[topics]]
slug = "orders"
name = "Orders"
channels = ["email"]
message_class = "transactional"
[promises.email]
target = "5 days"
window = "10 days"
[promises.third_party_sharing]
window = "15 business days"
"""

GLOBEX = """
slug = "globex"
name = "Globex"
languages = ["en"]
time_zone = "Europe/Berlin"
channels = ["email", "sms"]
numbers = ["+12025550199"]
[support]
phone = "+12025550198"
[[topics]]
slug = "news"
name = "News"
channels = ["email", "sms"]
"""


def acme() -> Brand:
    return Brand.from_toml(ACME, file="acme.toml")


def globex() -> Brand:
    return Brand.from_toml(GLOBEX, file="globex.toml")


@dataclass
class Clock:
    """A clock that a test can move; otherwise it is the machine's."""

    ahead: timedelta = field(default_factory=timedelta)
    stopped_at: datetime | None = None

    def __call__(self) -> datetime:
        return (self.stopped_at or datetime.now(UTC)) + self.ahead

    def move(self, **by: float) -> None:
        self.ahead += timedelta(**by)

    def stop(self, at: datetime) -> None:
        self.stopped_at, self.ahead = at, timedelta()
