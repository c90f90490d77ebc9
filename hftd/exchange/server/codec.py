"""The exchange's own writing of the wire: JSON or msgpack messages, each encoded once, joined into frames for many.

A data frame is an array of maps in which `T` comes first. In msgpack times are extension -1, in JSON RFC 3339 text.
"""

import struct
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from hftd.domain.convert import SECOND_NS, rfc3339_of

TEXT: Final = 0x1
BINARY: Final = 0x2

_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()


class Codec(StrEnum):
    """How a socket's messages are written."""

    JSON = "json"
    MSGPACK = "msgpack"


class Moment(msgspec.Struct, frozen=True):
    """A time in a message, written by the codec's own rule."""

    time_ns: int


def codec_asked_for(content_type: str) -> Codec:
    """The codec that a handshake's Content-Type header asks for."""
    return Codec.MSGPACK if "msgpack" in content_type.lower() else Codec.JSON


def encode(codec: Codec, message: Any) -> bytes:
    """`message` of plain values and Moments in `codec`."""
    return _ENCODERS[codec](message)


def joined(codec: Codec, encoded: Sequence[bytes]) -> bytes:
    """Encoded messages as one array."""
    if codec is Codec.JSON:
        return b"[" + b",".join(encoded) + b"]"
    return _array_header(len(encoded)) + b"".join(encoded)


def decode(codec: Codec, data: str | bytes) -> Any:
    """What a client sent. Raises ValueError when it is neither. Text is JSON in either codec."""
    try:
        if codec is Codec.JSON or isinstance(data, str):
            return msgspec.json.decode(data)
        return msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def frame(payload: bytes, opcode: int) -> bytes:
    """One whole websocket frame from a server: unmasked, final (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, length) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, length) + payload


def timestamp_extension(time_ns: int) -> msgspec.msgpack.Ext:
    """A time as msgpack's timestamp, in its shortest form up to 2514 (msgpack specification, extension type -1)."""
    seconds, nanoseconds = divmod(time_ns, SECOND_NS)
    packed = struct.pack("!Q", nanoseconds << 34 | seconds) if nanoseconds else struct.pack("!I", seconds)
    return msgspec.msgpack.Ext(-1, packed)


def _encode_json(message: Any) -> bytes:
    return _json.encode(_with_times(message, rfc3339_of))


def _encode_msgpack(message: Any) -> bytes:
    return _msgpack.encode(_with_times(message, timestamp_extension))


_ENCODERS: dict[Codec, Callable[[Any], bytes]] = {Codec.JSON: _encode_json, Codec.MSGPACK: _encode_msgpack}


def _with_times(message: Any, written: Callable[[int], Any]) -> Any:
    """`message` with its Moments written; only maps of plain values can hold them."""
    if not isinstance(message, dict):
        return message
    return {key: written(value.time_ns) if type(value) is Moment else value for key, value in message.items()}


def _array_header(count: int) -> bytes:
    if count < 16:
        return bytes((0x90 | count,))
    if count < 65536:
        return struct.pack("!BH", 0xDC, count)
    return struct.pack("!BI", 0xDD, count)
