"""Every setting, in one tree: environment variables `HCP_<BRANCH>__<NAME>`, over the file `.hcp/env` that `hcp up` writes."""

import base64
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.rules.policy import Policy
from pipeline.seal_keys import Seal
from schemas.topics import Stream

DAY_MS = 86_400_000
DEVICE_SECRET_BYTES = 32
_RING = frozenset({"current", "root", "keys"})
WEAK = frozenset({"", "postgres", "password", "secret", "changeme", "hcp", "admin", "123456"})

Port = Annotated[int, Field(ge=0, le=65535)]


class Kafka(BaseModel):
    """The log. Leave `bootstrap_servers` empty to let `hcp up` start an embedded Apache Kafka."""

    bootstrap_servers: str = ""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    ssl_cafile: Path | None = None
    topic_prefix: str = "hcp."
    partitions: int = Field(
        6, ge=1, description="of the case, review and ticket topics; set once, both inputs the same"
    )
    replication: int = Field(1, ge=1)
    min_insync_replicas: int = Field(1, ge=1)
    retention_ms: int = Field(400 * DAY_MS, ge=DAY_MS, description="ops must be able to replay a year")

    def topic(self, stream: Stream) -> str:
        """The full name of the topic that carries this."""
        return self.topic_prefix + stream.value

    @field_validator("bootstrap_servers")
    @classmethod
    def _servers_are_addresses(cls, servers: str) -> str:
        for server in filter(None, servers.split(",")):
            host, colon, port = server.strip().rpartition(":")
            if colon and not (host and port.isdecimal()):
                raise ValueError(f"HCP_KAFKA__BOOTSTRAP_SERVERS: {server!r} is not host:port")
        return servers

    @model_validator(mode="after")
    def _sasl_has_secrets(self) -> Self:
        if self.security_protocol.startswith("SASL"):
            if not self.sasl_username:
                raise ValueError(
                    "HCP_KAFKA__SASL_USERNAME is missing, but HCP_KAFKA__SECURITY_PROTOCOL asks for SASL"
                )
            if self.sasl_password.get_secret_value().lower() in WEAK:
                raise ValueError("HCP_KAFKA__SASL_PASSWORD is missing or a default one")
        return self


class NotConfiguredError(ValueError):
    """A server that a command needs and the settings do not name."""


class Database(BaseModel):
    """The ledger. Leave `url` empty to let `hcp up` start an embedded PostgreSQL."""

    url: SecretStr = Field(
        SecretStr(""), description="postgresql://user:password@host:port/database?sslmode=…"
    )
    ledger_schema: str = Field("ledger", pattern="^[a-z_][a-z0-9_]{0,62}$")

    @field_validator("url")
    @classmethod
    def _url_is_of_postgresql(cls, url: SecretStr) -> SecretStr:
        if url and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("HCP_DATABASE__URL does not begin with postgresql://")
        return url

    @property
    def sqlalchemy_url(self) -> str:
        """The URL with the driver named. NotConfiguredError if none is set."""
        url = self.url.get_secret_value()
        if not url:
            raise NotConfiguredError(
                "no database: set HCP_DATABASE__URL, or run this in the folder where `hcp up` has been started"
            )
        _, rest = url.split("://", 1)
        return f"postgresql+psycopg2://{rest}"


class Rules(BaseModel):
    """The county's figures (`domain.md`, 3 to 5); local defaults."""

    window_hours: float = Field(24, gt=0, description="the one-day window W")
    collection_hours: float = Field(24, gt=0, description="a record collected within this is on time (D6)")
    time_zone: str = "Asia/Shanghai"
    contact_working_days: int = Field(1, ge=0)
    rectify_working_days: int = Field(5, ge=1)
    review_rate_target: float = Field(0.95, gt=0, le=1)

    @property
    def zone(self) -> ZoneInfo:
        """The county's time zone."""
        return ZoneInfo(self.time_zone)

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # what zoneinfo raises for names of other forms
            raise ValueError(f"{name!r} is no time zone, such as Asia/Shanghai") from None
        return name

    def policy(self) -> Policy:
        """The same for the rules."""
        return Policy(
            window=timedelta(hours=self.window_hours),
            collection_limit=timedelta(hours=self.collection_hours),
            contact_working_days=self.contact_working_days,
            rectify_working_days=self.rectify_working_days,
            zone=self.zone,
        )


class Worker(BaseModel):
    """The Faust worker."""

    group: str = "hcp-ledger"
    slots: int = Field(
        16, ge=1, description="how many workers there may be: each claims a slot, its static membership"
    )
    batch_records: int = Field(20_000, ge=1, description="records folded in one transaction, at most about")
    metrics_port: Port = Field(0, description="0: no metrics endpoint of the worker's own")
    watch_seconds: float = Field(
        10,
        gt=0,
        description="how often positions, topic ids and the sharing of partitions are checked without a record",
    )
    sweep_seconds: float = Field(60, gt=0)


class Web(BaseModel):
    """Pages and metrics. Loopback only, until there are accounts."""

    host: Literal["127.0.0.1", "::1"] = "127.0.0.1"
    desk_port: Port = 18080
    exporter_port: Port = 19100
    host_names: list[str] = Field(
        default_factory=list,
        description="names by which the desk and every /metrics may be called, besides localhost and addresses",
    )
    hotline_device: str = Field(
        "",
        description="what the desk sends calls to 12345 as: hcp device add … --kind system --channel hotline --any-department",
    )
    hotline_key: str = Field("", description="the key that hcp device add showed")
    hotline_secret: SecretStr = Field(SecretStr(""), description="the secret that hcp device add showed")

    @model_validator(mode="after")
    def _hotline_is_whole(self) -> Self:
        given = (self.hotline_device, self.hotline_key, self.hotline_secret.get_secret_value())
        if any(given) and not all(given):
            raise ValueError(
                "HCP_WEB__HOTLINE_DEVICE, HCP_WEB__HOTLINE_KEY and HCP_WEB__HOTLINE_SECRET are set together or not at all"
            )
        if any(given) and len(self.hotline_secret_bytes) != DEVICE_SECRET_BYTES:
            raise ValueError(
                "HCP_WEB__HOTLINE_SECRET is not what hcp device add showed: 43 letters, digits, - and _"
            )
        return self

    @property
    def hotline_secret_bytes(self) -> bytes:
        """The secret as it signs; empty if there is none, or it is not well-formed."""
        shown = self.hotline_secret.get_secret_value()
        try:
            return base64.b64decode(shown + "=" * (-len(shown) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return b""


class Gateway(BaseModel):
    """The way in over HTTP: systems and terminals sign what they send, citizens come with a token."""

    host: str = Field("127.0.0.1", description="0.0.0.0 behind the county's reverse proxy, which has the TLS")
    port: Port = 18088
    public_url: str = Field(
        "", description="what QR codes and links begin with, e.g. https://hcp.example; empty: host and port"
    )
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="addresses or networks whose X-Forwarded-For is believed; else nobody's",
    )
    spool_dir: Path = Field(
        Path(".hcp/spool"), description="on a local disk; one gateway process, one folder"
    )
    spool_bytes: int = Field(4 * 2**30, ge=2**20, description="of the spool's files; full means 503")
    spool_age_hours: float = Field(
        12, gt=0, description="an unsent record older than this raises an alarm; a day old, it is late (D6)"
    )
    keep_sent_hours: float = Field(24, ge=0, description="sent records stay that long and can be sent again")
    clock_skew_seconds: int = Field(300, ge=1, description="a signed request's time may differ by this much")
    connections: int = Field(
        2_000, ge=64, description="at once, as far as the process may have so many files (ulimit -n)"
    )
    connections_per_address: int = Field(
        256,
        ge=1,
        description="at once of one address that is no trusted proxy: a hall's terminals share one",
    )
    address_per_minute: int = Field(60, ge=1, description="public calls of one address")
    token_per_minute: int = Field(10, ge=1, description="submits with one QR or case token of one address")
    token_total_per_minute: int = Field(
        600, ge=1, description="submits with one QR or case token of all addresses together"
    )
    device_per_minute: int = Field(
        6_000, ge=1, description="events of one device that was not given a rate of its own (hcp device rate)"
    )
    sms_webhook: SecretStr = Field(
        SecretStr(""),
        description="where invitations by text message are handed on, http(s)://…; empty: nowhere, the case's system sends them",
    )

    @field_validator("sms_webhook")
    @classmethod
    def _webhook_is_a_url(cls, webhook: SecretStr) -> SecretStr:
        if webhook and not webhook.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("HCP_GATEWAY__SMS_WEBHOOK begins with neither https:// nor http://")
        return webhook

    @property
    def names(self) -> list[str]:
        """What it is called by the settings."""
        return [name for name in (self.host, urlsplit(self.public_url).hostname) if name]

    @property
    def url(self) -> str:
        """What links to it begin with, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url.rstrip("/") or f"http://{host}:{self.port}"


class Stack(BaseModel):
    """What `hcp up` starts itself when the settings name no servers."""

    data_dir: Path = Path(".hcp")
    kafka_port: Port = 19092
    controller_port: Port = 19093
    postgres_port: Port = 15432
    kafka_heap: str = Field("512m", pattern="^[1-9][0-9]*[mg]$")
    workers: int = Field(1, ge=1, le=16)


class Settings(BaseSettings):
    """The whole tree. Raises pydantic.ValidationError with the name of each setting that is wrong."""

    model_config = SettingsConfigDict(
        env_prefix="HCP_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        extra="ignore",
        hide_input_in_errors=True,  # keys and passwords are among what is read
    )

    kafka: Kafka = Kafka()
    database: Database = Database()
    rules: Rules = Rules()
    seal: Seal = Seal()
    worker: Worker = Worker()
    web: Web = Web()
    gateway: Gateway = Gateway()
    stack: Stack = Stack()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the library's words
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keys are the environment's alone, if it has any: one that was taken away there does not come back from the file."""

        def file() -> dict[str, Any]:
            said = dotenv_settings()
            if "seal" in said and env_settings().get("seal", {}).get("keys"):
                seal = {name: value for name, value in said["seal"].items() if name not in _RING}
                return said | {"seal": seal}
            return said

        return init_settings, env_settings, cast("PydanticBaseSettingsSource", file), file_secret_settings


def environment(settings: Settings) -> dict[str, str]:
    """The same settings for a child process: a JSON object for each branch, secrets in clear."""
    branches = settings.model_dump(exclude_unset=True)
    return {f"HCP_{name.upper()}": json.dumps(_clear(branch)) for name, branch in branches.items()}


def _clear(value: Any) -> Any:
    match value:
        case dict():
            return {name: _clear(inner) for name, inner in value.items()}
        case SecretStr():
            return value.get_secret_value()
        case Path():
            return str(value)
        case _:
            return value


def load() -> Settings:
    """The settings of this process: environment over the `env` file of the stack in this folder. Reads both.

    A page's port 0 (any free one) is the one that the stack found.
    """
    file = Path(os.environ.get("HCP_STACK__DATA_DIR", ".hcp")) / "env"
    settings = Settings(_env_file=file, _env_file_encoding="utf-8")
    found = dotenv_values(file, encoding="utf-8")
    for branch, name in (("web", "desk_port"), ("web", "exporter_port"), ("gateway", "port")):
        ports = getattr(settings, branch)
        if getattr(ports, name) == 0:
            setattr(ports, name, int(found.get(f"HCP_{branch}__{name}".upper()) or 0))
    return settings
