"""An ONNX file that `stemsep.weights.onnx_export` wrote -> a network that onnxruntime computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stemsep.errors import WeightsError, require
from stemsep.models import SeparationConfig
from stemsep.weights.checkpoint import parse_header

__all__ = ["OnnxNetwork", "load_onnx_network"]


class OnnxNetwork(nn.Module):
    """Has the interface of the networks in `stemsep.models`; computes on the CPU, in float32.

    Args:
        session: onnxruntime's.
        config: of the network.
    """

    def __init__(self, session: Any, config: SeparationConfig) -> None:
        super().__init__()
        self.session, self.config = session, config

    def forward(self, magnitude: Tensor) -> Tensor:
        """Return masks ``(batch, stems, channels, freq, time)``.

        Args:
            magnitude: ``(batch, features, freq, time)``; time is a multiple of the stride.
        """
        given = np.ascontiguousarray(magnitude.numpy())
        masks = torch.from_numpy(self.session.run(None, {"magnitude": given})[0])
        return torch.view_as_complex(masks) if masks.ndim == 6 else masks


def load_onnx_network(path: Path) -> OnnxNetwork:
    """Return the network of an ONNX file.

    It uses as many threads as torch does at the time of loading.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        WeightsError: no such file, not ONNX, or not written by stemsep.
    """
    runtime = require("onnxruntime", extra="onnx")
    if not path.is_file():
        raise WeightsError(f"no file '{path}'")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what is wrong is told below, once
    try:
        session = runtime.InferenceSession(
            path, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own have no common class
        raise WeightsError(f"'{path}' is not an ONNX file, or is damaged") from error
    config, _ = parse_header(path, session.get_modelmeta().custom_metadata_map)
    return OnnxNetwork(session, config)
