from .cohorts import record as record
from .cohorts import record_to_zarr as record_to_zarr
from .doses import dose_response as dose_response
from .replaying import record_replay as record_replay
from .visual import trace as trace
