{# gs: that many workgroups walk over the tiles of C, instead of one workgroup for each. #}
{% macro open() %}
{% if gs %}
    for (var at_tile = launched.x; at_tile < p.tx * p.ty; at_tile += {{ gs }}u) {
    let group = vec3(at_tile % p.tx, at_tile / p.tx, launched.z);
{% else %}
    let group = launched;
{% endif %}
{% endmacro %}
{% macro close() %}
{% if gs %}
    }
{% endif %}
{% endmacro %}
