from .files import open_twins as open_twins
from .files import save_twins as save_twins
from .fitting import fit_twin as fit_twin
from .loops import closed_loop as closed_loop
from .playing import record_replay as record_replay
from .playing import record_yoked as record_yoked
from .playing import twin_players as twin_players
from .portraits import phase_portrait as phase_portrait
