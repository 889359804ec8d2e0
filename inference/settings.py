"""How the service listens, follows the registry and logs: the one place of its configuration."""

from pydantic import Field

from training.registry import Alias
from training.settings import TrainingSettings


class InferenceSettings(TrainingSettings):
    """Adds serving to the training room's settings; each is `ROUNDTRIP_<NAME>` or its default."""

    serve_host: str = Field(default="127.0.0.1", description="The address the service listens on.")
    serve_port: int = Field(default=8000, ge=0, le=65_535, description="Its port; 0 takes a free one.")
    replay: bool = Field(default=False, description="Whether a request may carry its own prediction time.")
    alias: Alias = Field(default="champion", description="The registry alias that the service follows.")
    poll_seconds: float = Field(default=1.0, gt=0, le=4, description="How often the alias is looked up.")
    max_items: int = Field(default=1_000, ge=1, description="Instances that one request may carry.")
    max_body_bytes: int = Field(default=8 * 2**20, ge=1, description="Bytes that one request may carry.")
    inline_items: int = Field(
        default=16, ge=0, description="Requests up to this size are answered without a worker thread."
    )
    online_cache_seconds: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="How old an online row may be; 0 reads the store each time, as replay always does.",
    )
    seal_rows: int = Field(default=2_000, ge=1, description="Journal lines after which a segment is sealed.")
    seal_seconds: float = Field(default=30.0, gt=0, description="Seconds after which a segment is sealed.")
    remembered_requests: int = Field(
        default=20_000, ge=1, description="Request ids whose answers a retry gets again."
    )
    drain_seconds: int = Field(default=10, ge=0, description="How long open requests may take at the end.")

    @property
    def fresh_seconds(self) -> float:
        """How long an online row may be kept: not at all in replay, whose clock moves on between requests."""
        return 0.0 if self.replay else self.online_cache_seconds
