"""Finds the functions of a C++ file and their lengths, without a compiler: by matching braces after
comments, texts and preprocessor lines have been blanked out. A lambda belongs to the function that it
stands in; one in the initializer of a variable is a function of its own."""
import re

RAW = re.compile(r'(?:u8|[uUL])?R"([^()\\\s]{0,16})\(')
NOT_FUNCTIONS = re.compile(r"^(?:export\s+)?(?:inline\s+)?(?:namespace|struct|class|union|enum|concept)\b")
TEMPLATE = re.compile(r"^template\s*<")


def without_comments(text):
    """The text with comments as spaces; lines stay where they are."""
    return blanked(text, only_comments=True)


def blanked(text, only_comments=False):
    """The text with comments, literals and preprocessor lines as spaces; lines stay where they are."""
    result = list(text)
    at, size = 0, len(text)

    def blank(begin, end, is_comment=False):
        if only_comments and not is_comment:
            return
        for i in range(begin, min(end, size)):
            if result[i] != "\n":
                result[i] = " "

    line_begins = True
    while at < size:
        c = text[at]
        end = at + 1
        if line_begins and c == "#" and not only_comments:
            end = at
            while True:
                end = text.find("\n", end)
                if end < 0:
                    end = size
                    break
                if text[end - 1] != "\\":
                    break
                end += 1
            # A comment of several lines may begin there.
            comment = text.find("/*", at, end)
            if comment >= 0 and text.find("*/", comment, end) < 0:
                end = comment
            blank(at, end)
        elif text.startswith("//", at):
            end = text.find("\n", at)
            end = size if end < 0 else end
            blank(at, end, is_comment=True)
        elif text.startswith("/*", at):
            end = text.find("*/", at + 2)
            end = size if end < 0 else end + 2
            blank(at, end, is_comment=True)
        elif (raw := RAW.match(text, at)) and not (at and (text[at - 1].isalnum() or text[at - 1] == "_")):
            end = text.find(")" + raw.group(1) + '"', raw.end())
            end = size if end < 0 else end + len(raw.group(1)) + 2
            blank(at, end)
        elif c == '"' or c == "'" and not is_digit_separator(text, at):
            end = at + 1
            while end < size and text[end] not in (c, "\n"):
                end += 2 if text[end] == "\\" else 1
            end += 1
            blank(at, end)
        line_begins = text[end - 1] == "\n" or line_begins and text[at:end].isspace()
        at = end
    return "".join(result)


def is_digit_separator(text, at):
    """1'000: a quote within a number."""
    begin = at
    while begin and (text[begin - 1].isalnum() or text[begin - 1] in "_'."):
        begin -= 1
    return begin < at and text[begin].isdigit() and at + 1 < len(text) and text[at + 1].isalnum()


def without_template(header):
    """The header after its template parameters."""
    while TEMPLATE.match(header):
        depth, at = 0, header.index("<")
        while at < len(header):
            depth += (header[at] == "<") - (header[at] == ">")
            at += 1
            if depth == 0:
                break
        header = header[at:].lstrip()
    return header


def top_level(header):
    """The characters of a header that stand in no bracket."""
    result, depth = [], 0
    for c in header:
        if c in "([":
            depth += 1
        if depth == 0:
            result.append(c)
        if c in ")]":
            depth -= 1
    return "".join(result)


def kind_of(header):
    """What a brace after this header opens: a "function", a "scope" (a class, a namespace), "values" of a
    variable, or an "initializer" within the header of a function."""
    header = without_template(header.strip())
    if NOT_FUNCTIONS.match(header) and not re.match(r"^(struct|class|enum|union)\s+[\w:]+[\s*&]+[\w:]+\s*\(", header):
        return "scope"
    outside = top_level(header)
    lambda_body = re.search(r"\]\s*(\([^()]*\)|)[^=;,]*$", header) and "[" in header and "operator[]" not in header
    assigned = re.search(r"(?<![=!<>+\-*/%&|^])=(?!=)", outside) and not re.search(r"operator\s*\S*=", outside)
    if assigned:
        return "function" if lambda_body else "values"
    if "(" not in header and not lambda_body:
        return "scope"
    # An argument: `void f(T x = {1}) {`, `: a_(g({1})) {`.
    if not header_is_complete(header) and not lambda_body:
        return "initializer"
    # A constructor's list of members: `: a(1), b{2} {`.
    after = header.rstrip()
    if re.search(r"\)\s*(noexcept\s*)?:(?!:)", header) and re.search(r"[\w>]$", after) and \
            not after.endswith(("noexcept", "override", "final", "const", "try")):
        return "initializer"
    return "function"


def name_of(header):
    header = without_template(header.strip())
    found = re.search(r"((?:[\w:]*::)?operator\s*(?:\(\)|[^\s(]+)|[~\w:]+)\s*\(", header)
    return found.group(1) if found else "lambda"


def functions(text, place="?"):
    """(name, first line, last line) of each; raises ValueError where braces do not match."""
    code = blanked(text)
    result, stack = [], []  # of (kind, header, first line)
    start, line = 0, 1      # of the header that is being read
    in_function = 0
    for at, c in enumerate(code):
        if c == "\n":
            line += 1
        elif c == "{":
            header = code[start:at]
            first = line - header.lstrip().count("\n")
            within = stack[-1][0] if stack else "scope"
            kind = "inner" if in_function else within if within == "initializer" else kind_of(header)
            in_function += kind in ("function", "inner")
            stack.append((kind, header, first, start))
            if kind != "initializer":
                start = at + 1
        elif c == "}":
            if not stack:
                raise ValueError(f"{place}:{line}: a brace closes nothing")
            kind, header, first, begin = stack.pop()
            in_function -= kind in ("function", "inner")
            if kind == "function":
                result.append((name_of(header), first, line))
            start = begin if kind == "initializer" else at + 1
        elif c == ";" and not in_function and header_is_complete(code[start:at]):
            start = at + 1
        elif c == "," and stack and stack[-1][0] == "values" and header_is_complete(code[start:at]):
            start = at + 1
        elif c == ":" and not in_function and re.fullmatch(r"\s*(public|private|protected)\s*", code[start:at]):
            start = at + 1
    if stack:
        raise ValueError(f"{place}:{stack[-1][2]}: a brace is not closed")
    return result


def header_is_complete(header):
    """Whether brackets are closed, so that what follows belongs to something else."""
    return header.count("(") == header.count(")")
