"""Texts and conversations that tokenizers and chat templates are compared on."""

TEXTS = [
    "",
    "Hello, world!",
    "The capital of France is Paris.",
    "a  b   c    d",
    "   leading and trailing   ",
    "tabs\tand\nnewlines\r\n\r\n\n  mixed \t\n",
    "0 1 12 123 1234 12345678 3.14159 1,000,000 2nd x86_64",
    "I'm you're WE'LL don't 'S it'D o'clock",
    "def f(x: int) -> int:\n    return x**2 + 1  # square\n\tif x != 0: pass\n",
    "{\"key\": [1, 2.5e-3, null, true], 'other': <tag/>}",
    "café naïve Ångström e\u0301 (decomposed) ﬁ ligature",
    "日本語のテキスト、中文字符。한국어 العربية עברית हिन्दी ไทย",
    "emoji 😀👩‍👩‍👧‍👦🇫🇷 and symbols ∑∫√≠≈∞ €£¥ ½ ² ٣٤",
    "\u00a0non-breaking\u2003em space\u200bzero width\ufeffbom",
    "$$\\frac{a}{b} = \\boxed{42}$$ #### 72",
    "<|im_start|>user\nhi<|im_end|>\n<|endoftext|>",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa !!!!!!!! ........",
    "MixedCASE camelCase snake_case kebab-case https://example.org/a?b=c&d=e",
]

CONVERSATIONS = [
    [{"role": "user", "content": "What is 2 + 2?"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    [
        {"role": "user", "content": "  spaces  \n"},
        {"role": "assistant", "content": "Yes.\n"},
        {"role": "user", "content": "Ünïcode 😀 {{ not a tag }}"},
    ],
]
