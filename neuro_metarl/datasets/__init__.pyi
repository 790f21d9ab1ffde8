from .fetching import (
    data_folder as data_folder,
)
from .fetching import (
    describe_dataset as describe_dataset,
)
from .fetching import (
    fetch_dataset as fetch_dataset,
)
from .fetching import (
    file_hash as file_hash,
)
from .loading import load_dataset as load_dataset
from .loading import load_reference as load_reference
from .registry import (
    DatasetInfo as DatasetInfo,
)
from .registry import (
    dataset_info as dataset_info,
)
from .registry import (
    list_datasets as list_datasets,
)
