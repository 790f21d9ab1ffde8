from .cards import PAPERS as PAPERS
from .cards import score as score
from .page import scorecard_page as scorecard_page
from .page import scorecard_table as scorecard_table
from .row import Row as Row
from .row import Scored as Scored
from .stage import Stage as Stage
