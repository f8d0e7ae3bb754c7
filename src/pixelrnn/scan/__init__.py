"""The two recurrences of the paper: the Row LSTM's and the Diagonal BiLSTM's scan over an image."""

from pixelrnn.scan.reference import diagonal_bilstm, row_lstm

__all__ = ["diagonal_bilstm", "row_lstm"]
