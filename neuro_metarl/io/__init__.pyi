from .event_log import EventGrammar as EventGrammar
from .events import add_activity as add_activity
from .events import align as align
from .formats.aind import AIND_COLUMNS as AIND_COLUMNS
from .formats.aind import read_aind as read_aind
from .formats.akam import read_akam as read_akam
from .formats.beron import read_beron as read_beron
from .formats.blanco_pozo import read_blanco_pozo as read_blanco_pozo
from .formats.boussard import read_boussard as read_boussard
from .formats.grossman import read_grossman as read_grossman
from .formats.hbayesdm import read_hbayesdm as read_hbayesdm
from .formats.miller import read_miller as read_miller
from .formats.miller2017 import read_miller2017 as read_miller2017
from .formats.tab import read_tab as read_tab
from .formats.trepka import read_trepka as read_trepka
from .interchange import (
    from_disrnn as from_disrnn,
)
from .interchange import (
    from_pynapple as from_pynapple,
)
from .interchange import (
    from_tinyrnn as from_tinyrnn,
)
from .interchange import (
    to_disrnn as to_disrnn,
)
from .interchange import (
    to_pynapple as to_pynapple,
)
from .interchange import (
    to_tinyrnn as to_tinyrnn,
)
from .neo import from_neo as from_neo
from .neo import to_neo as to_neo
from .neo_files import read_neo as read_neo
from .neo_files import write_neo as write_neo
from .nwb import read_nwb as read_nwb
from .nwb_contents import (
    nwb_columns as nwb_columns,
)
from .nwb_contents import (
    nwb_series as nwb_series,
)
from .nwb_contents import (
    nwb_spikes as nwb_spikes,
)
from .nwb_links import linked_files as linked_files
from .nwb_write import write_nwb as write_nwb
from .readers import (
    Reader as Reader,
)
from .readers import (
    list_readers as list_readers,
)
from .readers import (
    register_reader as register_reader,
)
from .reading import read as read
from .tables import read_table as read_table
from .tables import write_table as write_table
