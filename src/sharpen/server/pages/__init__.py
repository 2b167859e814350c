"""Pages in a browser: the addresses that the wandb client prints, and those around them.

Everything is drawn on the server: tables page by page, charts as SVG of thinned points. A page needs no
script; the one small script that there is brings it up to date and adds keys. No style and no script stands
inside a page, so that its policy can forbid both.
"""
