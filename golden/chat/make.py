"""Renders the templates below with transformers' own renderer and writes them with the results to chat.json.

    python golden/chat/make.py

The templates are this project's own; together they use the features of the templates that models in use come with:
ChatML with a default system message, tools as JSON, a date, stripping of earlier reasoning, named templates' macros, and
blocks that mark an assistant's tokens. No template here reads the clock: `strftime_now` is only tested to be there.
"""

import json
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

TEMPLATES = {
    "chatml": """{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nAnswer well.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' + (message['content'] | trim) + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "tools": """{% if tools %}
    {{- '# Tools\\n' }}
    {% for tool in tools %}
        {{- tool | tojson }}
        {{- '\\n' -}}
        {{ tool.function.parameters | tojson(indent=4) }}
{{ loop.index }} of {{ loop.length }}{{ ', last' if loop.last else ', more' }}
    {% endfor %}
{% elif tools is none %}
no tools
{% endif %}
{% for message in messages %}
    {% if message.tool_calls is defined and message.tool_calls %}
        {%- for call in message.tool_calls if call.type == 'function' %}
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
        {%- endfor %}
    {% elif message.content is string %}
[{{ message.role.upper() }}] {{ message.content }}
    {% elif message.content is iterable %}
[{{ message.role | title }}] {{ message.content | map(attribute='text') | join(' + ') }}
    {% endif %}
{% endfor %}
""",
    "reasoning": """{%- set ns = namespace(last=-1, count=0) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages | length - 1) - loop.index0 %}
    {%- if ns.last < 0 and message.role == 'user' and not (message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == 'assistant' and '</think>' in content %}
        {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- if loop.index0 > ns.last %}
            {%- set content = '<think>\\n' ~ thought.strip() ~ '\\n</think>\\n\\n' ~ content %}
        {%- endif %}
        {%- set ns.count = ns.count + 1 %}
    {%- endif %}
    {{- message.role }}: {{ content }}
{% endfor %}
{%- if add_generation_prompt %}
    {{- 'assistant: ' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
{{- ' #' ~ ns.count }}
""",
    "macros": """{{- bos_token }}
{%- macro header(role, mark='|') -%}
<{{ mark }}{{ role }}{{ mark }}>
{%- endmacro %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = '' %}
{%- endif %}
{{- header('system') }}{{ system_message or 'none' }}{{ eos_token }}
{%- for message in messages -%}
    {%- if not loop.first and message.role == loop.previtem.role %}{% continue %}{% endif %}
    {{- header(message.role, mark='#') -}}
    {%- generation -%}
    {{- message.content if message.content is not none else '' -}}
    {%- endgeneration -%}
    {{ eos_token }}
{%- endfor %}
{%- if unk_token is not defined %}{{- ' no unk' }}{% endif %}
""",
    "values": """{% for message in messages %}
{{ message.content | length }} {{ true }} {{ none }} {{ 1.0 }} {{ 7 // 2 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 'a' ~ 1 ~ none ~ false }}
{{ message.items() | list | length }} {{ message.get('missing', 'default') }} {{ message | tojson }}
{{ message.keys() | list | join(',') }} {{ ['b', 'a'] | sort | first }} {{ 'x,y'.split(',') | last }} {{ 'Ab'.lower() }} {{ 'a-b'.replace('-', '+') }}
{{ numbers | tojson }} {{ numbers | tojson(indent=2) }} {{ {'b': 1, 'a': {}} | tojson }} {{ [] | tojson(indent=2) }} {{ "<&'>" | tojson }}
{{ "%s is %d" | format('x', 3) }} {{ 'abc'[-1] }} {{ range(3) | list }} {{ {'k': 'v', 'n': none} }} {{ ['it', "it's"] }} {{ 'é' in message.content }}
{% endfor %}
trailing
""",
    "refusing": """{% for message in messages %}{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate: ' + message.role) }}{% endif %}{{ message.content }}{% endfor %}""",
}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Adds <two> numbers & says \"é\"",
            "parameters": {"type": "object", "properties": {"a": {"type": "number", "default": 1e-7}, "b": {"type": "number"}}, "required": []},
        },
    },
    {"type": "function", "function": {"name": "now", "parameters": {}}},
]

CONVERSATIONS = {
    "one": [{"role": "user", "content": "What is 2 + 2?"}],
    "system": [{"role": "system", "content": "  Be brief. "}, {"role": "user", "content": "Hi {{ there }} é"}],
    "turns": [
        {"role": "user", "content": "  spaces  \n"},
        {"role": "assistant", "content": "<think>\nfour\n</think>\n\nIt is 4.\n"},
        {"role": "user", "content": "<b>why</b> & 'how' \"so\" 😀"},
        {"role": "assistant", "content": "<think>because</think>Because."},
    ],
    "tool": [
        {"role": "user", "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]},
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2.5}}}]},
        {"role": "tool", "content": "3.5"},
    ],
}

VARIABLES = {
    "tools": {"tools": TOOLS},
    "reasoning": {"enable_thinking": False},
    "values": {"numbers": [1, 2.0, 1e16, 123456789.125, 1e-5, -0.0001, True, None, "a\tb\u2028\x7f/"]},
}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


def cases():
    for template_name, template in TEMPLATES.items():
        for conversation_name, messages in CONVERSATIONS.items():
            # Lists of parts are for templates that look for them.
            if conversation_name == "tool" and template_name not in ("tools", "values"):
                continue
            for variables in ({}, VARIABLES[template_name]) if template_name in VARIABLES else ({},):
                if template_name == "values" and not variables:
                    continue
                for prompt in (False, True):
                    arguments = dict(tools=None, add_generation_prompt=prompt) | SPECIAL | variables
                    case = {"template": template_name, "conversation": conversation_name, "variables": variables, "prompt": prompt}
                    try:
                        [text], _ = render_jinja_template([messages], chat_template=template, **arguments)
                        yield case | {"text": text}
                    except Exception as error:
                        yield case | {"error": str(error)}


if __name__ == "__main__":
    value = {"templates": TEMPLATES, "conversations": CONVERSATIONS, "special": SPECIAL, "cases": list(cases())}
    file = Path(__file__).parent / "chat.json"
    file.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
    print(len(value["cases"]), "cases,", sum("error" in case for case in value["cases"]), "refused")
