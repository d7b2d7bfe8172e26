"""Every setting of every process, typed, read from the environment once."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from runtime.secret_files import SecretFiles


class Settings(BaseSettings):
    """What can be set from outside, with the defaults of a machine of one's own.

    Shape: `<NAME>_FILE` names a file with the value, for every setting that is a secret.
    Units: the last word of each name.
    Raises: pydantic.ValidationError at start, naming the variable and what is wrong with it;
    pydantic_settings.SettingsError for a file of a secret.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    kafka_bootstrap_servers: str = Field(
        default="127.0.0.1:9092",
        validation_alias="KAFKA_BOOTSTRAP_SERVERS",
        description="Brokers, as `host:port` with commas between.",
    )
    database_url: SecretStr = Field(
        default=SecretStr("postgresql://postgres@127.0.0.1:5432/tapeworks"),
        validation_alias="DATABASE_URL",
        description="Postgres of the read models.",
    )
    object_store_url: str = Field(
        default=f"file://{Path.cwd() / '.tape' / 'media'}",
        validation_alias="OBJECT_STORE_URL",
        description="Where finished videos are kept: `file:///absolute/folder`.",
    )
    object_store_encryption: Literal["AES256", "none"] = Field(
        default="AES256",
        validation_alias="OBJECT_STORE_ENCRYPTION",
        description="At rest, by an S3 store (S0-109); `none` for one that refuses the wish.",
    )
    # botocore reads the other AWS variables itself, but of these two the second alone.
    aws_region: str = Field(
        default="",
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
        description="Region of the S3 store.",
    )
    google_api_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("GOOGLE_AI_API_KEY", "GOOGLE_GENAI_API_KEY"),
        description="Key of the Gemini API.",
    )
    google_base_url: str = Field(
        default="https://generativelanguage.googleapis.com",
        validation_alias="GOOGLE_AI_BASE_URL",
        description="Address of the Gemini API, or of the simulator.",
    )
    google_veo_model: str = Field(
        default="veo-3.1-generate-preview",
        validation_alias="GOOGLE_VEO_MODEL",
        description="Name that the provider gives to Veo 3.1.",
    )
    google_api_version: str = Field(
        default="v1beta",
        validation_alias="GOOGLE_AI_API_VERSION",
        description="Version of the Gemini API.",
    )
    vertex_api_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="VERTEX_AI_API_KEY",
        description="Key of Vertex AI; unset, its models are refused.",
    )
    vertex_auth: Literal["key", "bearer"] = Field(
        default="key",
        validation_alias="VERTEX_AI_AUTH",
        description="`bearer` if the key is an OAuth access token.",
    )
    vertex_base_url: str = Field(
        default="https://aiplatform.googleapis.com",
        validation_alias="VERTEX_AI_BASE_URL",
        description="Address of Vertex AI, or of the simulator.",
    )
    vertex_veo_model: str = Field(
        default="veo-3.1-generate-001",
        validation_alias="VERTEX_VEO_MODEL",
        description="Name that Vertex AI gives to Veo 3.1.",
    )
    vertex_storage_url: str = Field(
        default="https://storage.googleapis.com",
        validation_alias="VERTEX_AI_STORAGE_URL",
        description="Where a result of the form gs://bucket/object is fetched.",
    )
    fal_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("FAL_KEY", "FALAI_API_KEY"),
        description="Key of fal; unset, its models are refused.",
    )
    fal_queue_base_url: str = Field(
        default="https://queue.fal.run",
        validation_alias="FAL_QUEUE_BASE_URL",
        description="Address of fal's queue, or of the simulator.",
    )

    namespace: str = Field(
        default="",
        pattern=r"^([a-z0-9-]+\.)?$",
        validation_alias="TAPEWORKS_NAMESPACE",
        description="Precedes topics, groups and transactional ids, and ends with a dot: several "
        "systems on one broker.",
    )
    partition_count: int = Field(
        default=8,
        ge=1,
        le=256,
        validation_alias="TAPEWORKS_PARTITION_COUNT",
        description="Partitions of each topic; fixed for the life of a system, since an account's "
        "partition follows from it.",
    )
    replication_factor: int = Field(
        default=1,
        ge=1,
        le=7,
        validation_alias="TAPEWORKS_REPLICATION_FACTOR",
        description="Copies of each topic that is created.",
    )
    http_host: str = Field(
        default="127.0.0.1",
        validation_alias="TAPEWORKS_HTTP_HOST",
        description="Address that the ingress and the probes listen on; `0.0.0.0` in a container.",
    )
    http_port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        validation_alias="TAPEWORKS_HTTP_PORT",
        description="Port of the ingress; 0 takes a free one.",
    )
    http_listen_fd: int | None = Field(
        default=None,
        ge=3,
        validation_alias="TAPEWORKS_HTTP_LISTEN_FD",
        description="File descriptor of a listening socket that the ingress is handed down; unset, "
        "it opens host and port itself.",
    )
    listen_when_ready: bool = Field(
        default=False,
        validation_alias="TAPEWORKS_LISTEN_WHEN_READY",
        description="Whether the ingress accepts connections only once it is ready: set where it "
        "replaces one that still serves.",
    )
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        validation_alias="TAPEWORKS_PUBLIC_URL",
        description="Where clients reach the ingress; the address that signed links carry.",
    )
    probe_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        validation_alias="TAPEWORKS_PROBE_PORT",
        description="Port of a worker's `/healthz`, `/readyz` and `/metrics`; 0 takes a free one.",
    )
    admin_api_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="TAPE_ADMIN_KEY",
        description="Key of the admin API; unset, nobody is an admin.",
    )
    media_signing_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="TAPEWORKS_MEDIA_SIGNING_KEY",
        description="Signs the links to videos.",
    )
    media_link_seconds: int = Field(
        default=3600,
        ge=1,
        le=604_800,
        validation_alias="TAPEWORKS_MEDIA_LINK_SECONDS",
        description="Seconds that a link to a video is good for.",
    )
    log_level: str = Field(
        default="info",
        validation_alias="TAPEWORKS_LOG_LEVEL",
        description="Least level that is logged: `debug`, `info`, `warning`, `error`.",
    )

    # 2 s: the longest a POST may wait for the ledger (design.md section 1).
    decision_wait_seconds: float = Field(
        default=2.0,
        gt=0,
        le=30,
        validation_alias="TAPEWORKS_DECISION_WAIT_SECONDS",
        description="Seconds that a POST waits for the ledger at most.",
    )
    undecided_requests_max: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        validation_alias="TAPEWORKS_UNDECIDED_REQUESTS_MAX",
        description="Requests of one ingress that the ledger may be behind with; more are answered "
        "503 `OVERLOADED`.",
    )
    orders_per_second: float = Field(
        default=10,
        gt=0,
        le=100_000,
        validation_alias="TAPEWORKS_ORDERS_PER_SECOND",
        description="Jobs that one account may order each second, at each ingress; more are "
        "answered 429 `TOO_MANY_REQUESTS`.",
    )
    orders_at_once: int = Field(
        default=100,
        ge=1,
        le=100_000,
        validation_alias="TAPEWORKS_ORDERS_AT_ONCE",
        description="Jobs that one account may order at one moment, before its rate counts.",
    )
    generation_enabled: bool = Field(
        default=True,
        validation_alias="TAPEWORKS_GENERATION_ENABLED",
        description="Whether new jobs are accepted.",
    )
    active_jobs_max: int = Field(
        default=3,
        ge=1,
        le=1000,
        validation_alias="TAPEWORKS_ACTIVE_JOBS_MAX",
        description="Jobs that an account may have under way.",
    )
    generation_timeout_seconds: float = Field(
        default=900.0,
        gt=0,
        validation_alias="TAPEWORKS_GENERATION_TIMEOUT_SECONDS",
        description="Seconds after which a job that has not ended is failed and refunded.",
    )
    poll_interval_seconds: float | None = Field(
        default=None,
        gt=0,
        validation_alias="TAPEWORKS_POLL_INTERVAL_SECONDS",
        description="Seconds between two questions about one job; unset, as the model's capability "
        "record says.",
    )
    submit_timeout_seconds: float | None = Field(
        default=None,
        gt=0,
        validation_alias="TAPEWORKS_SUBMIT_TIMEOUT_SECONDS",
        description="Seconds that a provider may take to answer an order, whose outcome is unknown "
        "after that; unset, as the model's capability record says.",
    )
    provider_calls_max: int = Field(
        default=32,
        ge=1,
        le=1000,
        validation_alias="TAPEWORKS_PROVIDER_CALLS_MAX",
        description="Orders under way at one provider in one worker; as many questions beside "
        "them, which a provider that leaves orders unanswered does not hold up.",
    )
    breaker_failures_max: int = Field(
        default=5,
        ge=1,
        le=1000,
        validation_alias="TAPEWORKS_BREAKER_FAILURES_MAX",
        description="Calls to one provider that may fail in a row before it is left alone.",
    )
    breaker_open_seconds: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        validation_alias="TAPEWORKS_BREAKER_OPEN_SECONDS",
        description="Seconds that a failing provider is left alone before one call probes it.",
    )
    downloads_max: int = Field(
        default=4,
        ge=1,
        le=100,
        validation_alias="TAPEWORKS_DOWNLOADS_MAX",
        description="Downloads under way in one worker.",
    )
    download_attempts_max: int = Field(
        default=3,
        ge=1,
        le=10,
        validation_alias="TAPEWORKS_DOWNLOAD_ATTEMPTS_MAX",
        description="Attempts to fetch one video.",
    )
    download_timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        validation_alias="TAPEWORKS_DOWNLOAD_TIMEOUT_SECONDS",
        description="Seconds that one attempt to fetch a video may take.",
    )
    instance_id: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,200}$",
        validation_alias="TAPEWORKS_INSTANCE_ID",
        description="Name of this worker, no other's and the same after a restart: after a kill it "
        "goes on with its partitions at once, not after `TAPEWORKS_SESSION_TIMEOUT_SECONDS`.",
    )
    # 10 s: a dead worker's partitions move on after this; below 6 s the broker refuses.
    # 30 at most: Faust takes no session that is longer than a request to the broker may take.
    session_timeout_seconds: float = Field(
        default=10.0,
        ge=6,
        le=30,
        validation_alias="TAPEWORKS_SESSION_TIMEOUT_SECONDS",
        description="Seconds after which a dead worker's partitions move on.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add the secrets' files to what pydantic-settings reads, below what is passed in."""
        del dotenv_settings, file_secret_settings  # neither is configured
        return init_settings, env_settings, SecretFiles(settings_cls)


@cache
def settings() -> Settings:
    """Give this process's settings, read at the first call."""
    return Settings()
