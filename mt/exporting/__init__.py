"""Models in the formats of other programs: CTranslate2, plain merged safetensors, GGUF."""

from .ct2 import QUANTISATIONS, export_ct2
from .gguf_file import GGUF_TYPES, export_gguf
from .merged import DTYPES, export_merged

__all__ = ["DTYPES", "GGUF_TYPES", "QUANTISATIONS", "export_ct2", "export_gguf", "export_merged"]
