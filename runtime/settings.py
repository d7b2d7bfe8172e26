"""Every setting of every process, typed, read from the environment once."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What can be set from outside, with the defaults of a machine of one's own.

    Units: the last word of each name.
    Raises: pydantic.ValidationError at start, naming the variable and what is wrong with it.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    kafka_bootstrap_servers: str = Field(
        default="127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP_SERVERS"
    )
    database_url: SecretStr = Field(
        default=SecretStr("postgresql://postgres@127.0.0.1:5432/tapeworks"),
        validation_alias="DATABASE_URL",
    )
    object_store_url: str = Field(
        default=f"file://{Path.cwd() / '.tape' / 'media'}", validation_alias="OBJECT_STORE_URL"
    )
    google_api_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("GOOGLE_AI_API_KEY", "GOOGLE_GENAI_API_KEY"),
    )
    google_base_url: str = Field(
        default="https://generativelanguage.googleapis.com",
        validation_alias="GOOGLE_AI_BASE_URL",
    )
    google_veo_model: str = Field(
        default="veo-3.1-generate-preview", validation_alias="GOOGLE_VEO_MODEL"
    )
    google_api_version: str = Field(default="v1beta", validation_alias="GOOGLE_AI_API_VERSION")
    vertex_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="VERTEX_AI_API_KEY")
    # `bearer`: the key is an OAuth access token.
    vertex_auth: Literal["key", "bearer"] = Field(default="key", validation_alias="VERTEX_AI_AUTH")
    vertex_base_url: str = Field(
        default="https://aiplatform.googleapis.com", validation_alias="VERTEX_AI_BASE_URL"
    )
    vertex_veo_model: str = Field(
        default="veo-3.1-generate-001", validation_alias="VERTEX_VEO_MODEL"
    )
    # Where a result of the form gs://bucket/object is fetched.
    vertex_storage_url: str = Field(
        default="https://storage.googleapis.com", validation_alias="VERTEX_AI_STORAGE_URL"
    )
    fal_key: SecretStr = Field(
        default=SecretStr(""), validation_alias=AliasChoices("FAL_KEY", "FALAI_API_KEY")
    )
    fal_queue_base_url: str = Field(
        default="https://queue.fal.run", validation_alias="FAL_QUEUE_BASE_URL"
    )

    # Puts several systems on one broker: it precedes topics, groups and transactional ids.
    namespace: str = Field(
        default="", pattern=r"^([a-z0-9-]+\.)?$", validation_alias="TAPEWORKS_NAMESPACE"
    )
    # Fixed for the life of a system: an account's partition follows from it.
    partition_count: int = Field(
        default=8, ge=1, le=256, validation_alias="TAPEWORKS_PARTITION_COUNT"
    )
    replication_factor: int = Field(
        default=1, ge=1, le=7, validation_alias="TAPEWORKS_REPLICATION_FACTOR"
    )
    http_host: str = Field(default="127.0.0.1", validation_alias="TAPEWORKS_HTTP_HOST")
    http_port: int = Field(default=8000, ge=0, le=65535, validation_alias="TAPEWORKS_HTTP_PORT")
    # Where clients reach the ingress; the address that signed links carry.
    public_url: str = Field(
        default="http://127.0.0.1:8000", validation_alias="TAPEWORKS_PUBLIC_URL"
    )
    # Port of a worker's own /healthz, /readyz and /metrics; 0 takes a free one.
    probe_port: int = Field(default=0, ge=0, le=65535, validation_alias="TAPEWORKS_PROBE_PORT")
    admin_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="TAPE_ADMIN_KEY")
    media_signing_key: SecretStr = Field(
        default=SecretStr(""), validation_alias="TAPEWORKS_MEDIA_SIGNING_KEY"
    )
    media_link_seconds: int = Field(
        default=3600, ge=1, le=604_800, validation_alias="TAPEWORKS_MEDIA_LINK_SECONDS"
    )
    log_level: str = Field(default="info", validation_alias="TAPEWORKS_LOG_LEVEL")

    # 2 s: the longest a POST may wait for the ledger (design.md section 1).
    decision_wait_seconds: float = Field(
        default=2.0, gt=0, le=30, validation_alias="TAPEWORKS_DECISION_WAIT_SECONDS"
    )
    generation_enabled: bool = Field(default=True, validation_alias="TAPEWORKS_GENERATION_ENABLED")
    active_jobs_max: int = Field(
        default=3, ge=1, le=1000, validation_alias="TAPEWORKS_ACTIVE_JOBS_MAX"
    )
    generation_timeout_seconds: float = Field(
        default=900.0, gt=0, validation_alias="TAPEWORKS_GENERATION_TIMEOUT_SECONDS"
    )
    # Unset: the poll interval of the model's capability record.
    poll_interval_seconds: float | None = Field(
        default=None, gt=0, validation_alias="TAPEWORKS_POLL_INTERVAL_SECONDS"
    )
    provider_calls_max: int = Field(
        default=32, ge=1, le=1000, validation_alias="TAPEWORKS_PROVIDER_CALLS_MAX"
    )
    downloads_max: int = Field(default=4, ge=1, le=100, validation_alias="TAPEWORKS_DOWNLOADS_MAX")
    download_attempts_max: int = Field(
        default=3, ge=1, le=10, validation_alias="TAPEWORKS_DOWNLOAD_ATTEMPTS_MAX"
    )
    download_timeout_seconds: float = Field(
        default=60.0, gt=0, validation_alias="TAPEWORKS_DOWNLOAD_TIMEOUT_SECONDS"
    )
    # 10 s: a dead worker's partitions move on after this; below 6 s the broker refuses.
    session_timeout_seconds: float = Field(
        default=10.0, ge=6, le=60, validation_alias="TAPEWORKS_SESSION_TIMEOUT_SECONDS"
    )


@cache
def settings() -> Settings:
    """Give this process's settings, read at the first call."""
    return Settings()
