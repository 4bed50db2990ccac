"""A conversation of two questions with a model, through ctypes alone: chat.py LIBRARY MODEL."""

import ctypes
import sys
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_double, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p


class Error(Structure):
    _fields_ = [("status", c_int32), ("message", c_char * 1020)]


class Delta(Structure):
    _fields_ = [("struct_size", c_uint32), ("kind", c_int32), ("text", c_char_p), ("text_size", c_size_t), ("name", c_char_p), ("id", c_char_p)]


class Sampling(Structure):
    _fields_ = [("struct_size", c_uint32), ("top_k", c_int32), ("temperature", c_double), ("top_p", c_double), ("min_p", c_double),
                ("repetition_penalty", c_double), ("presence_penalty", c_double), ("frequency_penalty", c_double), ("seed", c_uint64)]


class ChatOptions(Structure):
    _fields_ = [("struct_size", c_uint32), ("think", c_int32), ("system", c_char_p), ("tools", c_char_p), ("json_schema", c_char_p),
                ("sampling", POINTER(Sampling)), ("max_tokens", c_int32), ("think_budget", c_int32), ("context_shift", c_int32)]


class Usage(Structure):
    _fields_ = [("struct_size", c_uint32), ("finish", c_int32), ("prompt_tokens", c_int32), ("cached_tokens", c_int32),
                ("completion_tokens", c_int32), ("reasoning_tokens", c_int32), ("prefill_seconds", c_double), ("decode_seconds", c_double)]


DeltaFn = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(Delta))
TEXT, THINK_OFF, INTERRUPTED = 0, 2, 130


class Qwen:
    """The few functions of qwenvk.h that a chat needs."""

    def __init__(self, library):
        self.lib = ctypes.CDLL(library)
        handle, out, error = c_uint64, POINTER(c_uint64), POINTER(Error)
        for name, arguments in {
            "open": [c_void_p, out, error],
            "load": [handle, c_char_p, c_void_p, out, error],
            "chat_new": [handle, POINTER(ChatOptions), out, error],
            "chat_send": [handle, c_char_p, DeltaFn, c_void_p, POINTER(Usage), error],
            "chat_close": [handle, error], "model_close": [handle, error], "runtime_close": [handle, error],
        }.items():
            function = getattr(self.lib, "qwenvk_" + name)
            function.argtypes, function.restype = arguments, c_int32

    def call(self, name, *arguments):
        error = Error()
        status = getattr(self.lib, "qwenvk_" + name)(*arguments, byref(error))
        if status not in (0, INTERRUPTED):
            raise RuntimeError(f"{name}: {error.message.decode()}")
        return status


def sized(structure):
    value = structure()
    value.struct_size = ctypes.sizeof(structure)
    return value


def main(library, path):
    qwen = Qwen(library)
    runtime, model, chat = c_uint64(), c_uint64(), c_uint64()
    try:
        qwen.call("open", None, byref(runtime))
        qwen.call("load", runtime, path.encode(), None, byref(model))
        greedy, options = sized(Sampling), sized(ChatOptions)
        options.think, options.sampling = THINK_OFF, ctypes.pointer(greedy)
        qwen.call("chat_new", model, byref(options), byref(chat))

        for question in ("What is 17 + 25?", "Please reverse: fox bird ball"):
            print(">", question)

            @DeltaFn  # ctypes prints an exception of a callback and returns 0 in its place: catch what should end the answer
            def on_delta(_, delta):
                if delta.contents.kind == TEXT:
                    print(delta.contents.text.decode(), end="", flush=True)
                return 0

            usage = sized(Usage)
            qwen.call("chat_send", chat, question.encode(), on_delta, None, byref(usage))
            print(f"\n({usage.completion_tokens} tokens, {usage.cached_tokens} of the prompt were cached)")
    finally:
        for name, handle in ("chat_close", chat), ("model_close", model), ("runtime_close", runtime):
            if handle.value:
                qwen.call(name, handle)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
