from .cohorts import record as record
from .cohorts import record_to_zarr as record_to_zarr
from .doses import dose_response as dose_response
from .doses import dose_trend as dose_trend
from .replaying import record_replay as record_replay
from .two_cores import record_two_cores as record_two_cores
from .visual import trace as trace
