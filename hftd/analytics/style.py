"""The look of a report: calm, readable, the same on paper."""

STYLE = """
:root{--ink:#1c2530;--soft:#5d6b7a;--line:#dfe4ea;--back:#fff;--card:#f6f8fa;--equity:#2563a8;--area:#2563a81f;
--bad:#b3362b;--good:#1c7c4a;--down:#b3362b1f}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#98a4b3;--line:#2c3540;--back:#12171d;--card:#1a2129;
--equity:#6ea8e6;--area:#6ea8e626;--bad:#e8796f;--good:#5fc08c;--down:#e8796f26}}
@media print{:root{--ink:#000;--soft:#444;--line:#ccc;--back:#fff;--card:#fff;--equity:#2563a8;--area:#2563a81f;
--bad:#b3362b;--good:#1c7c4a;--down:#b3362b1f}.download{display:none}section{break-inside:avoid}
section:has(.log){break-inside:auto}tr{break-inside:avoid}thead{display:table-header-group}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif;
font-variant-numeric:tabular-nums}
main{max-width:62rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:.9rem;margin:1rem 0 .25rem;
color:var(--soft);font-weight:600}
header p{margin:.25rem 0 0;color:var(--soft)}small{color:var(--soft);font-weight:400;font-size:.85rem}
.missing{border-left:4px solid var(--bad);padding:.1rem 1rem;margin:1rem 0;background:var(--card)}
.missing h2{margin:.5rem 0 0}
.cards{display:grid;grid-template-columns:repeat(2,1fr);gap:.6rem;margin:1.2rem 0 0}
.cards div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.6rem .8rem}
dt{color:var(--soft);font-size:.8rem}dd{margin:0;font-size:1.15rem;font-weight:600;overflow-wrap:anywhere}
.good,.buy{color:var(--good)}.bad,.sell{color:var(--bad)}
svg{display:block;width:100%;min-width:34rem;height:auto}
svg text{fill:var(--soft);font-size:11px}.grid{stroke:var(--line);fill:none}
.line{fill:none;stroke:var(--equity);stroke-width:1.4;stroke-linejoin:round}.area{fill:var(--area)}
.line.drawdown{stroke:var(--bad)}.area.drawdown{fill:var(--down)}.line.price{stroke:var(--soft);stroke-width:1.1}
path.buy{fill:var(--good)}path.sell{fill:var(--bad)}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.22rem .6rem .22rem 0;vertical-align:top;
border-bottom:1px solid var(--line);font-weight:400}
thead th{color:var(--soft);font-size:.8rem}
.figures td,.figures thead th:not(:first-child),.n{text-align:right;white-space:nowrap}
.figures tbody th{color:var(--soft)}
section{overflow-x:auto}.log{font-size:.82rem;min-width:56rem}.log td:not(:last-child){white-space:nowrap}
.log td:last-child{min-width:14rem}.incidents{font-size:.85rem}
.incidents td:nth-child(-n+2){white-space:nowrap}
a{color:var(--equity)}code{font-size:.85em}
@media (min-width:52rem){.cards{grid-template-columns:repeat(4,1fr)}
.half{display:inline-block;width:calc(50% - 1.2rem);vertical-align:top;margin-right:1rem}}
@media print{svg{min-width:0}}
"""
