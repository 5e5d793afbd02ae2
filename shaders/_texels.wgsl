{# An input of texels of four floats or, of integers, words: sampled (tex = 1), or as a storage texture of floats (tex = 2),
   whose loads know no mip levels. #}
{% macro texels(binding, name) %}
{% if tex == 2 %}
@group(0) @binding({{ binding }}) var {{ name }}: texture_storage_2d<rgba32float, read>;
{% else %}
@group(0) @binding({{ binding }}) var {{ name }}: texture_2d<{{ "u32" if dtype == "i8" else "f32" }}>;
{% endif %}
{% endmacro %}
{% macro texel(name, at) %}
{% if tex == 2 %}textureLoad({{ name }}, {{ at }}){% else %}textureLoad({{ name }}, {{ at }}, 0){% endif %}
{% endmacro %}
