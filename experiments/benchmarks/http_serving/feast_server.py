"""Feast's own feature server over the world's repository: `feast_server VAR PORT`."""

import sys
from pathlib import Path

from features.repository.feature_store import open_store
from features.settings import FeatureSettings

if __name__ == "__main__":
    open_store(FeatureSettings(var=Path(sys.argv[1]))).serve(
        host="127.0.0.1",
        port=int(sys.argv[2]),
        type_="http",
        no_access_log=True,
        workers=1,
        keep_alive_timeout=75,
        registry_ttl_sec=3_600,
    )
