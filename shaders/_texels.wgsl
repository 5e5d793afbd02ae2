{# An rgba32float input: sampled (tex = 1), or as a storage texture (tex = 2), whose loads know no mip levels. #}
{% macro texels(binding, name) %}
{% if tex == 2 %}
@group(0) @binding({{ binding }}) var {{ name }}: texture_storage_2d<rgba32float, read>;
{% else %}
@group(0) @binding({{ binding }}) var {{ name }}: texture_2d<f32>;
{% endif %}
{% endmacro %}
{% macro texel(name, at) %}
{% if tex == 2 %}textureLoad({{ name }}, {{ at }}){% else %}textureLoad({{ name }}, {{ at }}, 0){% endif %}
{% endmacro %}
