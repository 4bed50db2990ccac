"""Writes conformance.jsonl: templates, and what Jinja 3.1.6 makes of them, set up as transformers does for chat templates.

    python3 make.py > conformance.jsonl

A record has a template, variables and either the text or "error": true.
"""
import json

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


V = {
    "n": 7, "f": 2.5, "s": "Hello, Wörld", "e": "", "z": 0, "t": True, "no": None,
    "list": [3, 1, 2], "words": ["b", "A", "c"], "nested": [[1, "x"], [2, "y"]],
    "d": {"b": 1, "a": {"c": [1, 2.0, None, True]}, "items": "own"},
    "users": [{"name": "Bo", "age": 30}, {"name": "al", "age": 25}, {"name": "Cy", "age": 30, "on": True}],
    "zh": "你好，世界", "quotes": "it's \"so\"\n\t\\ ü\u0001\u2028", "lines": "one\ntwo\n\nthree",
    "big": 12345678901234567890, "tiny": 1e-06, "huge": 1e+16, "whole": 100000.0,
}

EXPRESSIONS = r"""
n ¦ s ¦ f ¦ e ¦ t ¦ no ¦ list ¦ d ¦ missing ¦ nested ¦ words ¦ zh ¦ tiny ¦ huge ¦ whole ¦ big ¦ quotes
1 + 2 * 3 - 4 / 2 ¦ 7 // 2 ¦ -7 // 2 ¦ 7 % 3 ¦ -7 % 3 ¦ 7 % -3 ¦ 2 ** 10 ¦ 2 ** -1 ¦ 2 ** 3 ** 2 ¦ -2 ** 2 ¦ 7.5 // 2 ¦ 7.5 % 2 ¦ 1 / 3 ¦ 10 / 5 ¦ 1e3 ¦ 1_000 ¦ 0x1f
n + f ¦ t + 1 ¦ 'a' + 'b' ¦ 'a' ~ 1 ~ none ~ true ¦ 'ab' * 3 ¦ 3 * 'ab' ¦ [1] + [2] ¦ [1, 2] * 2 ¦ (1, 2) + (3,) ¦ '%s-%d' % ('x', 3) ¦ '%05.1f|' % f ¦ '%-4s|' % 'a' ¦ '%(a)s' % {'a': 1} ¦ '100%%' % ()
n == 7 ¦ n == 7.0 ¦ t == 1 ¦ 'a' == "a" ¦ [1] == [1] ¦ (1,) == [1] ¦ d == d ¦ none == false ¦ missing == none ¦ missing is none ¦ n != 8
1 < 2 < 3 ¦ 1 < 2 > 3 ¦ 'a' < 'b' ¦ [1, 2] < [1, 3] ¦ n > f ¦ n >= 7 ¦ not n ¦ not e ¦ not missing ¦ n and e ¦ n or e ¦ e or 'x' ¦ e and x ¦ not n == 7 ¦ not (n and z)
'H' in s ¦ 'x' not in s ¦ 1 in list ¦ 9 in list ¦ 'b' in d ¦ 'q' in d ¦ 1 not in list ¦ '' in '' ¦ 'a' in missing
s[0] ¦ s[-1] ¦ s[1:4] ¦ s[::-1] ¦ s[::2] ¦ s[-3:] ¦ s[:-3] ¦ s[100:] ¦ zh[1] ¦ zh[1:3] ¦ list[0] ¦ list[-1] ¦ list[5] ¦ list[::-1] ¦ list[1:] ¦ list[:-1] ¦ list[-2:] ¦ list[::2] ¦ list[5:1:-1] ¦ list[-1:0:-1] ¦ nested[0][1] ¦ nested.0.1 ¦ words.1
d.b ¦ d['b'] ¦ d.a.c[0] ¦ d.missing ¦ d['missing'] ¦ d.items ¦ d['items'] ¦ d.items() ¦ d.keys() ¦ d.values() ¦ d.get('b') ¦ d.get('q') ¦ d.get('q', 5) ¦ d ¦ length ¦ missing.x ¦ none.x ¦ n.x ¦ s.x
'yes' if n else 'no' ¦ 'yes' if e else 'no' ¦ 'yes' if e ¦ 1 if e else 2 if z else 3 ¦ (1, 2) ¦ (1,) ¦ () ¦ [] ¦ {} ¦ {'a': 1, 'b': [1, {'c': none}]} ¦ {1: 2} ¦ ['a', "b'", 'c"', 'd\'"']
s.upper() ¦ s.lower() ¦ s.title() ¦ "they're bill's".title() ¦ s.capitalize() ¦ s.swapcase() ¦ '  x '.strip() ¦ '  x '.lstrip() ¦ '  x '.rstrip() ¦ 'xxaxx'.strip('x') ¦ 'abcba'.strip('ab') ¦ '\n\nx\n'.strip('\n')
'a,b,,c'.split(',') ¦ 'a,b,c'.split(',', 1) ¦ 'a,b,c'.rsplit(',', 1) ¦ ' a  b c '.split() ¦ ' a  b c '.split(none, 1) ¦ ' a  b c '.rsplit(none, 1) ¦ ''.split() ¦ ''.split(',') ¦ 'x</think>'.split('</think>')[-1] ¦ '</think>'.split('</think>') ¦ 'a\nb\r\nc\n'.splitlines() ¦ 'a\nb'.splitlines(true)
s.startswith('He') ¦ s.startswith(('x', 'He')) ¦ s.endswith('ld') ¦ s.find('l') ¦ s.rfind('l') ¦ s.find('q') ¦ zh.find('世') ¦ s.index('W') ¦ s.index('q') ¦ s.count('l') ¦ 'aaa'.count('aa') ¦ s.replace('l', 'L') ¦ s.replace('l', 'L', 1) ¦ 'aa'.replace('', '-')
', '.join(words) ¦ '-'.join('abc') ¦ ','.join([1]) ¦ '{} {}'.format(1, 'a') ¦ '{0}{1}{0}'.format(1, 2) ¦ '{x}'.format(x=5) ¦ '{{}}'.format() ¦ '{!r}'.format('a') ¦ 'abc'.isalpha() ¦ 'a1'.isalnum() ¦ '12'.isdigit() ¦ ''.isdigit() ¦ ' '.isspace() ¦ 'AB'.isupper() ¦ 'ab'.islower() ¦ 'Ab'.islower()
'7'.zfill(3) ¦ '-7'.zfill(4) ¦ 'a'.ljust(3) ¦ 'a'.rjust(3, '*') ¦ 'ab'.center(5) ¦ 'ab'.center(5, '*') ¦ 'a-b-c'.partition('-') ¦ 'a-b-c'.rpartition('-') ¦ 'abc'.partition('x') ¦ 'abc'.removeprefix('a') ¦ 'abc'.removesuffix('c')
s is string ¦ n is string ¦ n is number ¦ t is number ¦ t is integer ¦ n is integer ¦ f is float ¦ no is none ¦ missing is defined ¦ n is defined ¦ missing is undefined ¦ d is mapping ¦ list is mapping ¦ list is sequence ¦ s is sequence ¦ n is sequence ¦ list is iterable ¦ n is iterable ¦ t is boolean ¦ n is boolean ¦ t is true ¦ n is true ¦ z is false ¦ e is false
n is odd ¦ n is even ¦ n is divisibleby 7 ¦ n is divisibleby(2) ¦ n is eq 7 ¦ n is ne 7 ¦ n is gt(3) ¦ n is lt 3 ¦ 1 is in list ¦ n is in [1, 2] ¦ 'a' is lower ¦ 'a' is upper ¦ none is sameas none ¦ 1 is sameas true ¦ range is callable ¦ n is callable ¦ n is not odd ¦ not n is odd ¦ 'upper' is filter ¦ 'nope' is filter ¦ 'odd' is test
s|upper ¦ s|lower ¦ s|title ¦ 'foo bar-baz'|title ¦ "they're (it's)"|title ¦ s|capitalize ¦ '  x '|trim ¦ 'xxax'|trim('x') ¦ s|length ¦ list|length ¦ d|count ¦ missing|length ¦ n|length
list|first ¦ list|last ¦ []|first ¦ s|first ¦ list|sort ¦ list|sort(reverse=true) ¦ words|sort ¦ words|sort(case_sensitive=true) ¦ users|sort(attribute='age')|map(attribute='name')|list ¦ list|reverse|list ¦ 'abc'|reverse
list|min ¦ list|max ¦ []|min ¦ words|max ¦ words|min(case_sensitive=true) ¦ users|max(attribute='age') ¦ list|sum ¦ users|sum(attribute='age') ¦ users|sum('age', 5) ¦ [1, 1, 2]|unique|list ¦ ['a', 'A', 'b']|unique|list ¦ 'a'|sum
users|map(attribute='name')|list ¦ users|map(attribute='on', default='?')|list ¦ words|map('upper')|list ¦ ['a,b']|map('replace', ',', ';')|list ¦ words|map('nope')|list ¦ users|map(attribute='name.0')|list
users|selectattr('on')|list ¦ users|selectattr('on', 'defined')|map(attribute='name')|join(', ') ¦ users|selectattr('age', 'equalto', 30)|map(attribute='name')|list ¦ users|rejectattr('age', '>', 26)|map(attribute='name')|list ¦ list|select('odd')|list ¦ list|reject('odd')|list ¦ [0, 1, '']|select|list ¦ list|select('nope')|list
words|join ¦ words|join(', ') ¦ users|join(', ', attribute='name') ¦ list|join('-') ¦ nested|map('first')|list ¦ nested|map(attribute=1)|list ¦ d|items|list ¦ d|dictsort ¦ {'b': 1, 'A': 2}|dictsort ¦ {'b': 1, 'A': 2}|dictsort(true) ¦ {'b': 1, 'a': 2}|dictsort(by='value') ¦ {'b': 1, 'a': 2}|dictsort(reverse=true)
users|groupby('age')|list|length ¦ users|groupby('age')|map('first')|list ¦ users|groupby('on', default=false)|map('last')|map('length')|list ¦ range(7)|batch(3)|list ¦ range(7)|batch(3, 'x')|list ¦ range(7)|slice(3)|list ¦ range(7)|slice(3, 'x')|list ¦ []|batch(2)|list
missing|default('x') ¦ e|default('x') ¦ e|default('x', true) ¦ no|default('x') ¦ no|d('x', true) ¦ missing.x|default(1) ¦ d.q|default(1) ¦ missing|default ¦ n|string ¦ n|string|length
'12'|int ¦ 'x'|int ¦ 'x'|int(5) ¦ '12.7'|int ¦ 12.7|int ¦ -12.7|int ¦ '0x1f'|int(0, 16) ¦ ' 5 '|int ¦ none|int ¦ true|int ¦ '1.5'|float ¦ 'x'|float ¦ 'x'|float(2.5) ¦ 3|float ¦ -3|abs ¦ -3.5|abs ¦ 2.5|round ¦ 3.5|round ¦ 2.567|round(2) ¦ 2.675|round(2) ¦ 2.1|round(0, 'ceil') ¦ 2.9|round(method='floor') ¦ 7|round ¦ 1234|round(-2) ¦ 'a'|abs ¦ 2.5|round|int
d|tojson ¦ d|tojson(indent=2) ¦ list|tojson ¦ list|tojson(indent=2) ¦ quotes|tojson ¦ zh|tojson ¦ zh|tojson(ensure_ascii=true) ¦ '😀'|tojson(ensure_ascii=true) ¦ {'b': 1, 'a': 2}|tojson(sort_keys=true) ¦ []|tojson(indent=4) ¦ {'a': []}|tojson(indent=1) ¦ d|tojson(separators=(',', ':')) ¦ tiny|tojson ¦ huge|tojson ¦ whole|tojson ¦ big|tojson ¦ none|tojson ¦ true|tojson ¦ '</a>&\''|tojson ¦ missing|tojson ¦ (1, 2)|tojson ¦ {1: 'x', none: 'y', false: 'z', 1.5: 'w'}|tojson ¦ d|tojson(indent='\t') ¦ range|tojson ¦ '\x7f\x1f'|tojson
lines|indent ¦ lines|indent(2, true) ¦ lines|indent(2, blank=true) ¦ lines|indent('> ') ¦ 'foo bar baz qux'|truncate(9) ¦ 'foo bar baz qux'|truncate(9, true) ¦ 'foo bar baz qux'|truncate(11) ¦ 'foo bar baz qux'|truncate(9, end='') ¦ 'foo bar baz qux'|truncate(9, leeway=0) ¦ 'Hello, big world'|wordcount ¦ '%s %s'|format('a', 1) ¦ 'a<b'|e ¦ "a'b\"c&"|escape ¦ words|list ¦ 'abc'|list ¦ d|list ¦ 'x'|center(5) ¦ s|replace('l', 'L') ¦ s|replace('l', 'L', 2) ¦ s|attr('upper') is callable ¦ d|attr('b')
range(3)|list ¦ range(1, 3)|list ¦ range(3, 0, -1)|list ¦ range(0)|list ¦ range(0, 10, 3)|list ¦ dict(a=1, b=2) ¦ dict({'a': 1}, b=2) ¦ namespace(a=1).a ¦ missing() ¦ n() ¦ s() ¦ 'a'() ¦ n + 'a' ¦ 'a' + n ¦ missing + 1 ¦ 1 / 0 ¦ 1 // 0 ¦ 1 % 0 ¦ 1 < 'a' ¦ none < 1 ¦ -'a' ¦ [1] + (2,) ¦ list.append(1) ¦ d.update({}) ¦ d.pop('b') ¦ 'abc'.foo() ¦ [1][0:1:0] ¦ range(200000)
1e20|int ¦ n is divisibleby 3.5 ¦ f is odd ¦ z|map('upper')|list ¦ no|select|list ¦ t|round ¦ missing|int ¦ missing|attr('x') ¦ n[1:] ¦ missing[1:] ¦ 'a' % [1] ¦ n|nope ¦ n is nope ¦ range(1, 2, 0) ¦ 'a'.join(5) ¦ d[[1]] ¦ {[1]: 2} ¦ 'a' in 5 ¦ 5 in 'a' ¦ 'abc'.split('') ¦ 'abc'.index('x') ¦ '{}'.format() ¦ '%s' % () ¦ '%d' % 'a' ¦ '%s' % (1, 2)
"""

TEMPLATES = [
    "{% if n %}yes{% endif %}", "{% if e %}yes{% elif n %}elif{% else %}no{% endif %}",
    "{% for x in list %}{{ x }},{% endfor %}", "{% for x in [] %}a{% else %}none{% endfor %}", "{% for x in missing %}a{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }};{% endfor %}", "{% for (a, b) in nested %}{{ a }}{{ b }}{% endfor %}",
    "{% for c in zh %}{{ c }}|{% endfor %}", "{% for a, b in list %}{% endfor %}", "{% for x in 5 %}{% endfor %}",
    "{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.cycle('a', 'b') }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
    "{% for x in [1, 1, 2] %}{{ loop.changed(x) }},{% endfor %}", "{% for x in list if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}",
    "{% for x in range(10) %}{% if x == 3 %}{% continue %}{% endif %}{% if x == 6 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in [1, 2] %}{% for y in [3, 4] %}{{ loop.index }}{{ loop.depth }}{% endfor %}{{ loop.index }};{% endfor %}",
    "{% for x in [[1, [2]], [3]] recursive %}[{% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}{% endif %}]{% endfor %}",
    "{% set x = 1 %}{% for y in list %}{% set x = x + y %}{{ x }},{% endfor %}{{ x }}", "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% set ns = namespace(x=1) %}{% for y in list %}{% set ns.x = ns.x + y %}{% endfor %}{{ ns.x }}", "{% set ns = namespace() %}{{ ns.x }}|{{ ns.x is defined }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = list %}{{ a }}", "{% set x.y = 1 %}", "{% set x %}a{{ n }}b{% endset %}{{ x }}|{{ x|length }}", "{% set x | upper %}abc{% endset %}{{ x }}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=5, a=4) }} {{ m() }}",
    "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}", "{% macro m() %}{% endmacro %}{{ m(1) }}", "{% macro m() %}{% endmacro %}{{ m(a=1) }}", "{% macro m() %}x{% endmacro %}{{ m.name }}",
    "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(4) }}", "{% set g = 5 %}{% macro m() %}{{ g }}{% endmacro %}{{ m() }}",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}body{{ n }}{% endcall %}", "{% macro m() %}<{{ caller(1, 2) }}>{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}",
    "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}aXa{% endfilter %}", "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}",
    "{% block x %}in{{ n }}{% endblock %}", "{% block x %}in{% endblock x %}", "{% raw %}{{ n }}{% if %}{% endraw %}", "a{% raw -%}  x  {%- endraw %}b", "{% raw %}\nx\n{% endraw %}\ny", "{% generation %}x{{ n }}{% endgeneration %}",
    "{# comment #}a{# another\none #}b", "a {#- c -#} b", "a\n  {# c #}\nb", "a\n  {# c #} b", "  {% if n %}\n    x\n  {% endif %}\ny\n", "  {%+ if n %}x{% endif %}", "{% if n +%}\nx{% endif %}", "{% if n -%}\n  x  \n{%- endif %}  y",
    "  {{ n }}\n  {{- n }}\n{{ n -}}\n  z", "a\n\n{% if n %}\n\nb{% endif %}\n\nc\n\n", "x\n", "x\n\n", "\n", "", "a\r\nb\rc\n", r"{{ '\r\n' }}", "  \t{% set x = 1 %}  \t\nx", "a {% set x = 1 %} b", "{{ {'a': {'b': 1}} }}", "{{ {'a': {'b': 1}}['a']['b'] }}",
    "{{ 'a' 'b' }}", r"{{ 'a\tb\\c\'d\x41\u00e9\U0001F600\q\101' }}", "{{ 'a\nb' }}", "{{ 1,2 }}", "{{ (1) }}", "{{ [1,] }}", "{{ {'a': 1,} }}", "{{ f(1,) }}", "{{ n if n is defined else m }}", "{{ a.b if a is defined and a.b }}",
    "{{ true }}{{ True }}{{ false }}{{ False }}{{ none }}{{ None }}", "{{ joiner }}"[:0] + "{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}", "{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}",
    "{{ raise_exception('no') }}", "{% if n %}", "{% endif %}", "{% for %}", "{{ }}", "{{ n", "{% if n %", "{{ n }", "{# x", "{{ 'x }}", "{{ (1 }}", "{{ 1) }}", "{% nope %}", "{{ n n }}", "{{ n. }}", "{{ . }}", "{{ a b c }}", "{% set %}", "{% set 1 = 2 %}", "{% if %}{% endif %}", "{% break %}", "{% raw %}x", "{% macro %}{% endmacro %}", "{{ n | }}", "{{ n is }}", "{{ 1 + }}", "{{ ? }}", "{{ f(a=1, 2) }}", "{% else %}", "{% for x in list %}{% endif %}", "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{% from 'x' import y %}",
    "{% for m in users %}{%- if m.name == 'Bo' and m.on is not defined %}{{- m.name }}{%- else %}{{- '-' + m.name|lower }}{%- endif %}{%- endfor %}",
    "{%- for x in list %}\n    {%- if not loop.first %}, {% endif %}\n    {{- x }}\n{%- endfor %}", "{% for x in list -%}\n {{ x }}\n{%- endfor %}",
    "{% for x in list | reverse %}{{ x }}{% endfor %}", "{% for x in list if loop is defined %}{{ x }}{% else %}-{% endfor %}", "{% for x in (1, 2), (3,) %}{{ x }}{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}",
    "{{ users | map(attribute='name') | map('upper') | join(', ') }}", "{{ s.split(', ')[0].lower()[1:] }}", "{{ (s ~ n).upper() }}", "{{ s|length + 1 }}", "{{ -list|first }}", "{{ not e|length }}", "{{ 1 + 2 ~ 3 }}", "{{ 2 * 3 ~ 4 }}", "{{ 'a' ~ 'b' * 2 }}", "{{ n is odd and n is not even }}", "{{ n is divisibleby 7 and t }}", "{{ 'a' if n is odd else 'b' }}",
    "{{ list[n - 7] }}", "{{ list[:n - 5] }}", "{{ d['a']['c'][3] }}", "{{ d.a['c'][-1] }}", "{{ users[0]['name'][0] }}", "{{ (list + [4])[3] }}", "{{ [[1, 2], [3]][0][1] }}", "{{ f is float and f > 2 }}", "{{ 7 // 2 * 2 }}", "{{ 10 - 2 - 3 }}", "{{ 2 ** 2 ** 3 }}", "{{ - 3 + 5 }}", "{{ +3 }}", "{{ --3 }}", "{{ not not n }}",
]


def main():
    env = environment()
    templates = list(TEMPLATES)
    for line in EXPRESSIONS.strip().splitlines():
        templates += ["{{ " + x.strip() + " }}" for x in line.split("¦")]
    for template in dict.fromkeys(templates):
        record = {"template": template}
        try:
            record["text"] = env.from_string(template).render(V)
        except Exception:
            record["error"] = True
        if any(x in record.get("text", "") for x in ("at 0x", "dict_")):
            continue  # Python's own names of things: no template means to print them
        print(json.dumps(record, ensure_ascii=False))


if __name__ == "__main__":
    print(json.dumps({"variables": V}, ensure_ascii=False))
    main()
