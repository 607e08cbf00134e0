import hashlib
import json
import shutil

import pytest

from bayeslaw.errors import UnavailableError
from bayeslaw.lab.corpus import SEPARATOR, Corpus, build_corpus
from bayeslaw.lab.corpus.sources.markup import html_to_text, pod_to_text, roff_to_text


def test_a_page_loses_its_markup_scripts_and_navigation():
    page = """<!DOCTYPE html><html><head><title>T</title><style>p {}</style></head><body>
    <div class="navheader"><div>up</div> next</div><script>if (a < b) {}</script>
    <h1>Head&eacute;d</h1><p>One <em>long</em>
    line,<br>broken.</p><ul><li>first</li><li>second &lt;tag&gt;</li></ul>
    <table><tr><td>a</td><td>b</td></tr></table><pre>  x = 1
      y</pre></body></html>"""
    assert html_to_text(page) == (
        "Headéd\n\nOne long line,\nbroken.\n\nfirst\n\nsecond <tag>\n\na b\n\n  x = 1\n      y\n"
    )


def test_unclosed_and_crossed_tags_lose_no_text():
    assert html_to_text("<p>a<p>b<b>c</p>d</b></pre><nav>menu</nav>e") == "a\n\nbc\n\nd\n\ne\n"


def test_pod_loses_its_commands_and_codes_and_keeps_its_examples():
    pod = """=encoding utf8

=head1 NAME X<index>

=over 4

=item C<< <$fh> >> and B<I<both>>

    verbatim E<lt> stays

=back

=begin html

<b>gone</b>

=end html

See L</"Some Section"> or L<perlop(1)> E<gt> S<no break>.

=cut

code();

=head2 More
"""
    assert pod_to_text(pod) == (
        "NAME\n\n<$fh> and both\n\n    verbatim E<lt> stays\n\n"
        'See "Some Section" or perlop(1) > no break.\n\nMore\n'
    )


def test_a_man_page_loses_its_macros():
    page = r""".\" generated
.de Vb
.ft CW
..
.TH NAME 3
.SH "NAME"
Some::Module \- does \f(CW\*(C`things\*(C'\fR
.IP "\(bu" 4
first \fIitem\fR
.Vb 1
\&    my $x = "\en";
.Ve
.BR open (2)
.if n .nop gone
"""
    assert roff_to_text(page) == (
        'NAME\n\nSome::Module - does `things\'\n\n*\nfirst item\n\n    my $x = "\\n";\n\nopen (2)\n'
    )


def test_without_apt_debian_docs_say_what_they_need(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"Debian's apt-get.*python-sources"):
        build_corpus("debian-docs", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_without_package_lists_debian_docs_say_how_to_get_them(tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("apt-get", "apt-cache", "dpkg-deb"):
        (programs / name).write_text("#!/bin/sh\necho 'E: No packages found' >&2\nexit 100\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin")
    with pytest.raises(UnavailableError, match=r"No packages found.*apt-get update"):
        build_corpus("debian-docs", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs Debian's apt-get")
def test_debian_docs_are_many_megabytes_of_text_that_is_never_in_two_splits(tmp_path):
    manifest = build_corpus("debian-docs", tmp_path / "out")
    assert sum(manifest.n_bytes.values()) > 100e6
    assert len(manifest.origins) == 15
    for origin in manifest.origins:
        assert origin.version and origin.licence
        assert (tmp_path / "out" / origin.file).stat().st_size > 100
    lines = (tmp_path / "out" / "documents.jsonl").read_text().splitlines()
    assert all(json.loads(line)["licence"] for line in lines)
    corpus = Corpus.open(tmp_path / "out")
    train = paragraphs_of(corpus.train)
    held_out = paragraphs_of(corpus.validation) | paragraphs_of(corpus.test)
    assert len(held_out) > 3000 and not train & held_out


def paragraphs_of(tokens):
    """Return what the paragraphs of some length say, as hashes."""
    found = set()
    for document in tokens[:].tobytes().split(bytes([SEPARATOR])):
        for paragraph in document.decode().split("\n\n"):
            content = "".join(paragraph.split()).encode()
            if len(content) >= 64:
                found.add(hashlib.sha256(content).digest())
    return found
