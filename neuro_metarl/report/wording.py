"""What every report refers to, and how its page looks."""

from __future__ import annotations

__all__ = ["REFERENCES", "STYLE"]

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:62rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;line-height:1.2}
h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #ccc}
.lead{font-size:1.05rem;background:#f4f6f8;padding:.6rem 1rem;border-left:4px solid #0072b2}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;margin:.6rem 0}
th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}
th{white-space:normal;vertical-align:bottom}th:first-child,td:first-child{text-align:left}
.wide svg{width:100%;min-width:44rem;height:auto}
.outside{color:#b33c00;font-weight:600}.inside{color:#00664b;font-weight:600}
.note{color:#555;font-size:.9rem}details{margin:.5rem 0}code{font-size:.85rem}
@media print{body{max-width:none;padding:0}details[open] summary{display:none}h2{break-after:avoid}}
"""
REFERENCES = (
    ("Crawford & Howell 1998", "10.1076/clin.12.4.482.7241"),
    ("Firth 1993", "10.1093/biomet/80.1.27"),
    ("Miller, Botvinick & Brody 2017", "10.1038/nn.4613"),
    ("Miller, Botvinick & Brody 2022", "10.7554/eLife.64575"),
    ("Wang et al. 2018", "10.1038/s41593-018-0147-8"),
    ("Akam, Costa & Dayan 2015", "10.1371/journal.pcbi.1004648"),
    ("Ito & Doya 2009", "10.1523/JNEUROSCI.6157-08.2009"),
)
