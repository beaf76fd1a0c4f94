"""Server-sent events: what is written, and what is read however the bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_mcp.protocol.sse import Decoder, Event, EventTooLarge, comment, encode


def decode(stream: bytes) -> list[Event]:
    return Decoder().feed(stream)


class TestWriting:
    def test_an_event_is_named_message_by_default(self):
        assert encode(b'{"a":1}') == b'event: message\ndata: {"a":1}\n\n'

    def test_every_field_has_its_line(self):
        assert encode(b"x", event="endpoint", id="7", retry=500) == (
            b"id: 7\nevent: endpoint\nretry: 500\ndata: x\n\n"
        )

    def test_an_event_may_have_an_id_and_no_data(self):
        # 2025-11-25, basic/transports#sending-messages-to-the-server: the event that primes a
        # client to reconnect.
        assert encode(b"", id="1") == b"id: 1\nevent: message\ndata: \n\n"

    @pytest.mark.parametrize("data", [b"a\nb", b"a\rb", b"a\r\nb"])
    def test_each_line_of_the_data_has_its_line(self, data):
        assert encode(data) == b"event: message\ndata: a\ndata: b\n\n"

    @pytest.mark.parametrize("value", ["a\nb", "a\r", "\0"])
    def test_a_value_cannot_break_out_of_its_line(self, value):
        with pytest.raises(ValueError, match="event must not"):
            encode(b"", event=value)
        with pytest.raises(ValueError, match="id must not"):
            encode(b"", id=value)

    def test_a_negative_retry_is_refused(self):
        with pytest.raises(ValueError, match="-1"):
            encode(b"", retry=-1)

    def test_a_comment_carries_no_event(self):
        assert comment() == b":\n\n"
        assert comment("ping") == b": ping\n\n"
        assert comment("a\r\nb") == b": a\n: b\n\n"
        assert decode(comment() + comment("data: x\ndata: y")) == []


class TestReading:
    # The examples of the HTML standard, 9.2.6.
    def test_data_of_several_lines_is_joined(self):
        assert decode(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [Event(data=b"YHOO\n+2\n10")]

    def test_comments_ids_and_single_blanks(self):
        decoder = Decoder()
        stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"
        assert decoder.feed(stream + b"data:  third event\n\n") == [
            Event(data=b"first event", id="1"),
            Event(data=b"second event", id=""),
            Event(data=b" third event"),
        ]
        assert decoder.last_event_id == ""

    def test_data_without_a_value_is_an_empty_line(self):
        assert decode(b"data\n\ndata\ndata\n\ndata:") == [Event(data=b""), Event(data=b"\n")]

    def test_the_blank_after_the_colon_does_not_count(self):
        assert decode(b"data:test\n\ndata: test\n\n") == [Event(data=b"test")] * 2

    @pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
    def test_every_line_ending_is_read(self, end):
        stream = end.join([b"event: a", b"data: 1", b"data: 2", b"", b"data: 3", b"", b""])
        assert decode(stream) == [Event(event="a", data=b"1\n2"), Event(data=b"3")]

    def test_a_carriage_return_ends_an_event_at_once(self):
        decoder = Decoder()
        assert decoder.feed(b"data: 1\r\n\r") == [Event(data=b"1")]
        assert decoder.feed(b"") == []
        assert decoder.feed(b"\ndata: 2\r\r") == [Event(data=b"2")]

    def test_other_separators_do_not_end_a_line(self):
        data = b"a\x0bb\x0cc\x1c\x1d\x1e\xc2\x85\xe2\x80\xa8d"
        assert decode(b"data: " + data + b"\n\n") == [Event(data=data)]

    def test_a_byte_order_mark_at_the_start_is_dropped(self):
        assert decode(b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\n") == [Event(data=b"1")]

    def test_a_character_in_two_pieces_is_whole(self):
        decoder = Decoder()
        stream = "id: ü\nevent: ö\ndata: ä\n\n".encode()
        events = [event for byte in stream for event in decoder.feed(bytes([byte]))]
        assert events == [Event(event="ö", data="ä".encode(), id="ü")]

    def test_an_id_with_nul_is_ignored(self):
        decoder = Decoder()
        assert decoder.feed(b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n") == [
            Event(data=b"a", id="1"),
            Event(data=b"b"),
        ]
        assert decoder.last_event_id == "1"

    def test_an_id_is_in_force_from_the_end_of_its_event(self):
        decoder = Decoder()
        decoder.feed(b"id: 1\n")
        assert decoder.last_event_id == ""
        assert decoder.feed(b"\n") == []
        assert decoder.last_event_id == "1"

    @pytest.mark.parametrize("retry", [b"", b"-1", b"1.5", b"1 ", b"x", "٣".encode(), b"9" * 5000])
    def test_a_retry_of_anything_but_digits_is_ignored(self, retry):
        decoder = Decoder()
        assert decoder.feed(b"retry: %b\ndata: a\n\n" % retry) == [Event(data=b"a")]
        assert decoder.retry is None

    def test_a_retry_needs_no_event(self):
        decoder = Decoder()
        assert decoder.feed(b"retry: 0500\n\n") == []
        assert decoder.retry == 500

    def test_an_event_without_data_is_not_delivered_and_leaves_no_name_behind(self):
        assert decode(b"event: a\n\ndata: 1\n\n") == [Event(data=b"1")]

    def test_unknown_fields_are_ignored(self):
        assert decode(b"Data: x\n data: x\nfoo\n: c\ndata: 1\n\n") == [Event(data=b"1")]

    def test_an_event_that_never_ends_is_not_delivered(self):
        assert decode(b"data: 1\n") == []


class TestSize:
    def test_an_event_of_the_allowed_size_is_read(self):
        assert Decoder(max_event_size=20).feed(b"data: 12345678901234\n\n")

    @pytest.mark.parametrize("line", [b"data: ", b": ", b"id: ", b"foo"])
    def test_a_line_without_end_is_given_up(self, line):
        decoder = Decoder(max_event_size=20)
        decoder.feed(line)
        for _ in range(20 - len(line)):
            decoder.feed(b"x")
        with pytest.raises(EventTooLarge, match="20 bytes"):
            decoder.feed(b"x")

    def test_data_without_end_is_given_up(self):
        decoder = Decoder(max_event_size=20)
        for _ in range(20):
            decoder.feed(b"data\n")
        with pytest.raises(EventTooLarge):
            decoder.feed(b"data\n")

    def test_a_long_line_in_one_piece_is_given_up(self):
        with pytest.raises(EventTooLarge):
            Decoder(max_event_size=20).feed(b"x" * 21 + b"\n")

    def test_a_stream_of_comments_may_go_on_for_ever(self):
        decoder = Decoder(max_event_size=20)
        for _ in range(100):
            assert decoder.feed(b":\r\n") == []
        assert decoder.feed(b"data: 1\r\n\r\n") == [Event(data=b"1")]


names = st.text().filter(lambda text: not set(text) & set("\r\n\0"))
lines = st.sampled_from(
    [b"data", b"data: a", b"data:\xc3\xbc", b"id: 1", b"id", b"id: \0", b"event: e", b"retry: 5"]
) | st.binary(max_size=8)
streams = st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r\n"])))


@given(streams, st.lists(st.integers(1, 5)), st.booleans())
def test_the_pieces_a_stream_arrives_in_do_not_matter(pieces, sizes, with_bom):
    stream = b"\xef\xbb\xbf" * with_bom + b"".join(map(b"".join, pieces))
    whole, piecemeal = Decoder(), Decoder()

    expected = whole.feed(stream)
    events = []
    rest = stream
    for size in sizes:
        events += piecemeal.feed(rest[:size])
        rest = rest[size:]
    events += piecemeal.feed(rest)

    assert events == expected
    assert piecemeal.last_event_id == whole.last_event_id
    assert piecemeal.retry == whole.retry


@given(st.binary(), names, st.none() | names, st.none() | st.integers(0, 10**15 - 1))
def test_what_is_written_is_read_back(data, event, event_id, retry):
    (decoded,) = decode(encode(data, event=event, id=event_id, retry=retry))

    assert decoded == Event(
        event=event or "message",
        data=data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"),
        id=event_id,
        retry=retry,
    )


@given(st.text())
def test_no_comment_is_an_event(text):
    assert decode(comment(text) + encode(b"x")) == [Event(data=b"x")]
