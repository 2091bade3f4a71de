"""Measures the effect of quantisation: compares a model with its FP32 reference on a fixed text.

- `measure`: runs both models.
- `score`: computes the score and its interval.
- `report`: reads and writes `quality.json` in the model's folder.

`python -m novacron_serving.quality` runs a measurement. Workers only read the report, without PyTorch.
"""
