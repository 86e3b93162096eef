"""`python -m lab.bench`: this code beside PyTorch on the same work, in time and in memory, and how the cost grows.

python -m lab.bench            steps side by side with PyTorch (the extra `bench`), each side in its own process
python -m lab.bench scaling    time against samples, depth and parameters
python -m lab.bench memory     counted memory over depth x width x batch, beside an analytic model
python -m lab.bench report     tables and figures drawn once more from the JSON files that the others left
"""
