"""What quantisation costs: a model beside its FP32 reference, on a fixed text.

`measure` asks both, `score` is the arithmetic of one comparison, `report` the file `quality.json` that lies beside the
model. `python -m novacron_serving.quality` does it all; a worker reads the report only, without PyTorch.
"""
