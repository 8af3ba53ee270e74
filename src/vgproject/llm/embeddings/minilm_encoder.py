"""The network of all-MiniLM-L6-v2. Imported when the first text comes: its libraries take 50 MB and a tenth of a second."""

from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession, SessionOptions
from tokenizers import Tokenizer

LONGEST_TOKENS = 256
"""What the model was trained for."""


class MiniLmEncoder:
    def __init__(self, weights: Path, tokenizer: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(LONGEST_TOKENS)
        # Its file asks for padding to 128 tokens, which makes a short text cost as much as a long one.
        self._tokenizer.no_padding()
        options = SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # It keeps the most that was ever needed, for a millisecond a text.
        self._session = InferenceSession(weights, options, providers=["CPUExecutionProvider"])

    def encode(self, text: str) -> bytes:
        """One text at a time: its vector does not depend on its neighbours, and there is nothing to pad or mask."""
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (tokens,) = self._session.run(["last_hidden_state"], feeds)
        mean = tokens[0].mean(axis=0)
        vector = mean / np.linalg.norm(mean)
        return bytes(vector.astype("<f4").tobytes())
