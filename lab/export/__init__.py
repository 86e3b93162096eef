"""Records for other trackers: `lab export runs --to tensorboard | mlflow`.

What a tracker shows is read from records after the run, and never sent by the training loop: so nothing of it can slow
a run down, stop it or change its result, runs of any age can be shown, and an export can be made again.
"""
