"""Secrets and personal data with labels, made by generators that are not ours.

The packages of rules hold no test data. Vendors' keys are drawn from detect-secrets' own expressions (where one has no
upper bound, with the length that the vendor uses), card numbers, national numbers and addresses come from faker, account
numbers from schwifty, private keys from cryptography. GitHub's and npm's checksums are computed here, as the vendors
describe them. Every value stands in several surroundings.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import string
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import exrex
from faker import Faker

from corpus_eval.case import Case, named

EACH = 60
"""Values per kind."""

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase

VENDORS = {
    "aws_access_key": r"(AKIA|ASIA|ABIA|ACCA)[2-7A-Z]{16}",
    "stripe_key": r"(r|s)k_live_[0-9a-zA-Z]{24}",
    "slack_token": r"xox(b|p|a|r|s)-\d{11}-\d{12}-[a-zA-Z0-9]{24}",
    "slack_webhook": r"https://hooks\.slack\.com/services/T[A-Z0-9]{8}/B[A-Z0-9]{8}/[a-zA-Z0-9]{24}",
    "openai_key": r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}",
    "sendgrid_key": r"SG\.[a-zA-Z0-9_-]{22}\.[a-zA-Z0-9_-]{43}",
    "mailchimp": r"[0-9a-f]{32}-us[0-9]{1,2}",
    "gitlab_token": r"(glpat|gldt|glft|glsoat|glrt)-[A-Za-z0-9_\-]{20}",
    "gitlab_runner": r"GR1348941[A-Za-z0-9_\-]{20}",
    "pypi_token": r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9-_]{150}",
    "twilio_key": r"SK[a-f0-9]{32}",
    "discord": r"[MN][a-zA-Z\d]{23}\.[a-zA-Z\d_-]{6}\.[a-zA-Z\d_-]{27}",
    "square": r"sq0csp-[0-9A-Za-z\-_]{43}",
    "telegram": r"\d{10}:AA[0-9A-Za-z_-]{33}",
}
"""Expressions of detect-secrets, narrowed to the alphabets that the vendors use."""

NATIONAL: dict[str, tuple[str, str]] = {
    "us_ssn": ("en_US", "ssn"),
    "nl_bsn": ("nl_NL", "ssn"),
    "fr_nir": ("fr_FR", "ssn"),
    "es_dni": ("es_ES", "nif"),
    "it_cf": ("it_IT", "ssn"),
    "se_pnr": ("sv_SE", "ssn"),
    "pl_pesel": ("pl_PL", "ssn"),
    "be_nrn": ("nl_BE", "ssn"),
    "fi_hetu": ("fi_FI", "ssn"),
    "no_fnr": ("no_NO", "ssn"),
    "ch_ahv": ("de_CH", "ssn"),
    "ca_sin": ("en_CA", "ssn"),
    "br_cpf": ("pt_BR", "cpf"),
    "cn_id": ("zh_CN", "ssn"),
}

WORDS = {
    "us_ssn": "SSN", "nl_bsn": "BSN", "fr_nir": "numéro de sécurité sociale",
    "es_dni": "DNI", "it_cf": "codice fiscale", "se_pnr": "personnummer", "pl_pesel": "PESEL", "be_nrn": "rijksregisternummer",
    "fi_hetu": "henkilötunnus", "no_fnr": "fødselsnummer", "ch_ahv": "AHV", "ca_sin": "SIN",
    "br_cpf": "CPF", "cn_id": "身份证", "pan": "card", "iban": "IBAN",
    "email": "e-mail", "phone": "phone", "ip": "address", "generic_secret": "password",
}  # fmt: skip

PLACEHOLDERS = ("YOUR_API_KEY", "<token>", "********", "${SECRET}", "changeme", "null", "xxxxxxxxxxxx")

LEFT_OUT = {
    "maestro": "faker gives it twelve digits, less than any card that is looked for",
    "jcb16 outside of 3528 to 3589": "faker draws from 35, of which the issuer has only these",
    "gb_nino": "faker's prefix ZZ is never issued",
    "dk_cpr": "faker's numbers of this locale are American ones",
    "in_aadhaar, kr_rrn": "faker's numbers have no fitting check digit",
    "aws_secret_key, google_api_key, anthropic_key, azure_key": "no generator that is not ours",
}

CARDS = ("visa16", "visa19", "visa13", "mastercard", "amex", "discover", "diners", "jcb15", "jcb16")

BARE = "card numbers as JSON numbers without a word beside them:"
"""Counted by themselves, outside of the goals: thirteen digits are as well a time in milliseconds."""


def all_cases() -> Iterator[Case]:
    """Values that are to be found, and what only looks like them."""
    random.seed(0)
    Faker.seed(0)
    for kind, expected, source, make in _kinds():
        for number in range(EACH):
            value = make()
            word = WORDS.get(expected, kind.replace("_", " "))
            yield from _surrounded(f"values: {source}", kind, expected, value, word, number)
    yield from _look_alikes()


def _kinds() -> Iterator[tuple[str, str, str, Callable[[], str]]]:
    """Kind, class, source, generator."""
    for kind, expression in VENDORS.items():
        expected = {"slack_webhook": "slack_token", "gitlab_runner": "gitlab_token"}.get(kind, kind)
        expected = "vendor_token" if expected in {"mailchimp", "discord", "square", "telegram"} else expected
        yield kind, expected, f"expressions of {named('detect-secrets')}", partial(exrex.getone, expression)
    yield "github_token", "github_token", "vendor's description", _github
    yield "npm_token", "npm_token", "vendor's description", _npm
    yield "jwt", "jwt", "RFC 7519", _jwt
    yield "private_key", "private_key", named("cryptography"), _private_key
    faker = Faker("en_US")
    yield "connection_string", "connection_string", named("faker"), partial(_connection, faker)
    yield "generic_secret", "generic_secret", named("faker"), partial(faker.password, length=20, special_chars=False)
    for brand in CARDS:
        yield f"card {brand}", "pan", named("faker"), partial(_card, faker, brand)
    yield "iban", "iban", named("schwifty"), _iban
    for kind, (locale, provider) in NATIONAL.items():
        yield kind, kind, named("faker"), getattr(Faker(locale), provider)
    yield "email", "email", named("faker"), faker.email
    yield "phone", "phone", named("faker"), partial(faker.numerify, "+4930######%#")
    yield "ip", "ip", named("faker"), faker.ipv4_public


def _card(faker: Faker, brand: str) -> str:
    while True:
        number = faker.credit_card_number(card_type=brand)
        if brand != "jcb16" or "3528" <= number[:4] <= "3589":
            return number


def _base62(number: int, width: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits.rjust(width, "0")


def _github() -> str:
    body = "".join(random.choices(BASE62, k=30))
    return random.choice(("ghp_", "gho_", "ghu_", "ghs_", "ghr_")) + body + _base62(zlib.crc32(body.encode()), 6)


def _npm() -> str:
    body = "".join(random.choices(BASE62, k=30))
    return "npm_" + body + _base62(zlib.crc32(body.encode()), 6)


def _jwt() -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = part(json.dumps({"sub": str(random.randrange(10**9)), "iat": random.randrange(10**9, 2 * 10**9)}).encode())
    return f"{head}.{body}.{part(hmac.digest(b'key', f'{head}.{body}'.encode(), hashlib.sha256))}"


def _private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    key = random.choice((lambda: ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate))()
    pem = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption()).decode()


def _connection(faker: Faker) -> str:
    scheme = random.choice(("postgres", "postgresql", "mysql", "mongodb+srv", "redis", "amqp"))
    return (
        f"{scheme}://{faker.user_name()}:{faker.password(length=14, special_chars=False)}@db.{faker.domain_name()}/app"
    )


def _iban() -> str:
    from schwifty import IBAN
    from schwifty.exceptions import SchwiftyException

    while True:
        try:
            iban = IBAN.random()
        except SchwiftyException:
            continue
        return random.choice((iban.compact, iban.formatted))


def _surrounded(corpus: str, kind: str, expected: str, value: str, word: str, number: int) -> Iterator[Case]:
    """The value in a document, in a log line, in prose; card numbers also in groups and as a JSON number."""
    case = partial(Case, corpus, kind, expected=frozenset({expected}))
    member = {"id": number, word: value, "state": "open"}
    yield case(document={"rows": [member]})
    yield case(text=f"The {word} is {value} as of today.")
    yield case(text=f"{word.upper().replace(' ', '_')}={value}\nDEBUG=true\n")
    if expected == "pan":
        groups = [value[at : at + 4] for at in range(0, len(value), 4)]
        yield case(text=f"paid with {' '.join(groups)}")
        yield case(text=f"paid with {'-'.join(groups)}")
        yield case(document={"amount": 12, "card_number": int(value)})
        yield Case(
            f"{BARE} {named('faker')}", kind, expected=frozenset({"pan"}), document={"amount": 12, "n": int(value)}
        )


def _look_alikes() -> Iterator[Case]:
    """Numbers, hashes and placeholders: nothing in them is a secret, a card or an account."""
    faker = Faker("en_US")
    makers: dict[str, Callable[[], Any]] = {
        "uuid": faker.uuid4,
        "sha1": faker.sha1,
        "sha256": faker.sha256,
        "md5": faker.md5,
        "isbn13": faker.isbn13,
        "ean13": faker.ean13,
        "milliseconds": lambda: str(random.randrange(1_500_000_000_000, 1_800_000_000_000)),
        "random 16 digits": lambda: "".join(random.choices(string.digits, k=16)),
        "random 12 digits": lambda: "".join(random.choices(string.digits, k=12)),
        "colour": faker.hex_color,
        "mac address": faker.mac_address,
        "time": lambda: faker.date_time().isoformat(),
        "price": lambda: str(faker.pyfloat(left_digits=4, right_digits=2)),
        "path": lambda: faker.file_path(depth=5),
        "sentence": faker.sentence,
        "user agent": faker.user_agent,
        "placeholder": lambda: random.choice(PLACEHOLDERS),
        "slug": lambda: faker.slug(faker.sentence(nb_words=8)),
        "version": lambda: f"{random.randrange(9)}.{random.randrange(40)}.{random.randrange(200)}",
        "picture": lambda: "data:image/png;base64," + base64.b64encode(random.randbytes(120)).decode(),
    }  # fmt: skip
    words = ("id", "value", "digest", "order", "name")
    for kind, make in makers.items():
        for number in range(EACH * 2):
            value = str(make())
            word = "api_key" if kind == "placeholder" else words[number % len(words)]
            corpus = f"look-alikes: {named('faker')}"
            yield Case(corpus, kind, document={"rows": [{word: value, "n": number}]})
            yield Case(corpus, kind, text=f"The {word} is {value} as of today.")
