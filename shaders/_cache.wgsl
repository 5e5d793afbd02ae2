{# Cached keys and values in f32, f16 or 8-bit integers, as words: how many quads a unit of 16 bytes holds, and the quads
   themselves. #}
{% set held = {"f32": 1, "f16": 2, "i8": 4} %}
{% macro quad(unit, j, dtype) -%}
{% if dtype == "f16" %}vec4(unpack2x16float({{ unit }}[{{ 2 * j }}]), unpack2x16float({{ unit }}[{{ 2 * j + 1 }}]))
{%- elif dtype == "i8" %}vec4<f32>(unpack4xI8({{ unit }}[{{ j }}]))
{%- else %}{{ unit }}{% endif %}
{%- endmacro %}
