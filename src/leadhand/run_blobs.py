"""Run blobs: the blobs of one run, as its tools use them."""

from leadhand.store import Store
from leadhand.stores.codec import Secrets


class RunBlobs:
    """The blobs of one run, as tools use them; secrets do not get in."""

    def __init__(self, store: Store, run_id: str, secrets: Secrets) -> None:
        self._store, self._run_id, self._secrets = store, run_id, secrets

    async def put(self, data: bytes) -> str:
        """See `tool.Blobs.put`."""
        clean = self._secrets.clean_bytes(data)
        return "blob:" + await self._store.put_blob(self._run_id, clean)

    async def get(self, pointer: str) -> bytes:
        """See `tool.Blobs.get`."""
        return await self._store.get_blob(self._run_id, pointer.removeprefix("blob:"))
