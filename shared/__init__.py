"""The PyTorch library that the labs build on and graduate into."""
