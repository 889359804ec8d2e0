"""How the service listens, follows the registry and logs: the one place of its configuration."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from contracts.registry import Alias
from contracts.settings import RegistrySettings
from features.settings import REPOSITORY, FeatureSettings, Settings, part

HostName = Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9._-]+|[0-9A-Fa-f:]+)$")]


class InferenceSettings(Settings):
    """Serving, with the features and the registry it reads; each is `ROUNDTRIP_<NAME>` or its default."""

    features: FeatureSettings = part(FeatureSettings)
    registry: RegistrySettings = part(RegistrySettings)

    serve_host: str = Field(default="127.0.0.1", description="The address the service listens on.")
    serve_port: int = Field(default=8000, ge=0, le=65_535, description="Its port; 0 takes a free one.")
    serve_workers: int = Field(
        default=1, ge=1, le=64, description="Processes that serve; beside several, one more keeps them."
    )
    grpc_port: int | None = Field(
        default=None, ge=0, le=65_535, description="The Open Inference Protocol's gRPC port; none if not set."
    )
    sandbox_bytes: int = Field(
        default=2 * 2**30,
        ge=1,
        description="Memory that a version not served before may take, tried out in a process of its own.",
    )
    sandbox_seconds: float = Field(
        default=30.0, gt=0, description="How long it may take to be opened, scored and explained there."
    )
    replay: bool = Field(default=False, description="Whether a request may carry its own prediction time.")
    alias: Alias = Field(default="champion", description="The registry alias that the service follows.")
    poll_seconds: float = Field(default=1.0, gt=0, le=4, description="How often the alias is looked up.")
    max_items: int = Field(default=1_000, ge=1, description="Instances that one request may carry.")
    max_explained_items: int = Field(
        default=100, ge=1, description="Instances that one request may ask the reasons of."
    )
    max_body_bytes: int = Field(default=8 * 2**20, ge=1, description="Bytes that one request may carry.")
    inline_items: int = Field(
        default=64,
        ge=0,
        description="Requests up to this size need no worker thread; an instance looked up counts as four.",
    )
    bulk_threads: int = Field(
        default=1, ge=1, description="Threads that score a large request; more need cores that are idle."
    )
    online_cache_seconds: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="How old an online row may be; 0 reads the store each time, as replay always does.",
    )
    seal_rows: int = Field(default=10_000, ge=1, description="Journal lines after which a segment is sealed.")
    seal_seconds: float = Field(default=30.0, gt=0, description="Seconds after which a segment is sealed.")
    remembered_requests: int = Field(
        default=20_000, ge=1, description="Requests, of the last day, whose answers a retry gets again."
    )
    log_fallback: Path | None = Field(
        default=None,
        description="Where predictions are logged while the log's own folder cannot be written.",
    )
    log_durability: Literal["process", "power"] = Field(
        default="process",
        description="What a prediction survives once answered: the process's death, or the machine's too.",
    )
    drain_seconds: int = Field(default=10, ge=0, description="How long open requests may take at the end.")

    fast_path: bool = Field(
        default=True, description="Whether plain requests for the hot routes are answered without ASGI."
    )
    queue_target_ms: float = Field(
        default=1.5, gt=0, description="How long a turn of the event loop may be, once callers are refused."
    )
    most_under_way: int = Field(
        default=1_000, ge=1, description="Requests that one process may have under way; more are refused."
    )

    api_keys: Path | None = Field(
        default=None, description="The file of API keys; none are asked for if not set."
    )
    oidc_issuer: str | None = Field(
        default=None, description="The OpenID Connect issuer whose bearer tokens are taken; none if not set."
    )
    oidc_audience: str | None = Field(default=None, description="The audience its tokens must be meant for.")
    allow_anonymous: bool = Field(
        default=False, description="Whether others than this machine may call without credentials."
    )
    allowed_hosts: Annotated[tuple[HostName, ...], NoDecode] = Field(
        default=(),
        description="Names, besides loopback's, that anonymous callers may call the service by; * for any.",
    )
    open_metrics: bool = Field(default=False, description="Whether /metrics is answered without credentials.")
    rate_limit: float | None = Field(
        default=None, gt=0, description="Requests a second that each caller may send; any number if not set."
    )
    rate_burst: int | None = Field(
        default=None, ge=1, description="Requests that may come at once; a second's worth if not set."
    )

    request_log: Literal["off", "errors", "all"] = Field(
        default="off", description="Which requests are logged to stderr, a JSON line for each."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How the service's own log is written: text or JSON lines."
    )
    traces: str = Field(
        default="off",
        pattern=r"^(off|https?://.+)$",
        description="Where traces go: off, or an OTLP collector's address.",
    )
    trace_ratio: float = Field(
        default=1.0, ge=0, le=1, description="The share of traces kept, of those that begin here."
    )
    cpu_hour_price: float | None = Field(
        default=None, ge=0, description="What an hour of one CPU core costs; no cost is shown if not set."
    )
    gpu_hour_price: float | None = Field(
        default=None, ge=0, description="What an hour of the GPU costs; no cost is shown if not set."
    )
    price_currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$", description="The prices' currency.")
    device: Literal["cpu", "cuda", "auto"] = Field(
        default="cpu", description="Where models are scored; auto is a GPU where one can be used."
    )
    network_runtime: Literal["onnx", "torch"] = Field(
        default="onnx", description="What scores a network: its ONNX graph, or PyTorch with its own weights."
    )

    pseudonym_key: SecretStr | None = Field(
        default=None, description="The key of the log's pseudonyms; made under var if not set."
    )

    receive_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long a request may take to arrive, and a caller not to take in what is answered.",
    )

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        """Take names with commas or spaces between them."""
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("api_keys", "log_fallback")
    @classmethod
    def _absolute_links(cls, value: Path | None) -> Path | None:
        """Links stay links: a mounted secret is exchanged by pointing one elsewhere."""
        return None if value is None else REPOSITORY / value.expanduser()

    @property
    def fresh_seconds(self) -> float:
        """How long an online row may be kept: not at all in replay, whose clock moves on between requests."""
        return 0.0 if self.replay else self.online_cache_seconds
