"""The reproduction of Hinton's forward-forward paper: each of its results beside what records reached.

    lab paper reports/paper/runs --out reports/paper     the page, from records alone
    lab paper --look runs/<id>                           keep of a trained run what the page's pictures show

claims.yaml says what the paper reports and which experiment of conf/ repeats it; `claims` reads it. `match` finds the
records of an experiment, `rows` sets ours beside the paper's, `page` draws. Nothing here trains.
"""
