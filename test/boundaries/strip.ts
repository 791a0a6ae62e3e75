/**
 * Blanks what is not code. Both results are as long as the source and keep its line breaks, so that a position in one
 * is a position in the other. It knows as much of the grammar as that needs: comments, strings, templates with their
 * substitutions, and regular expressions by the token before them.
 */
export interface Stripped {
  /** Without comments, and without what is inside of strings, templates and regular expressions. */
  readonly code: string
  /** The comments alone. */
  readonly comments: string
}

const blank = (text: string): string => text.replace(/[^\n]/g, " ")

/** A regular expression, not a division, may follow these; so it may at the start of a file. */
const beforeRegExp =
  /(?:[([{},;:=!&|?+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete|instanceof|new|throw|yield|await))$/

/** A regular expression literal from slash to slash, on one line. */
const regExpLiteral = /\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\//y

export const strip = (source: string): Stripped => {
  let code = ""
  let comments = ""
  let at = 0
  /** For each template whose substitution is open: the depth of braces inside it. */
  const substitutions: Array<number> = []

  const keep = (length: number): void => {
    const text = source.slice(at, at + length)
    code += text
    comments += blank(text)
    at += length
  }
  const hide = (length: number): void => {
    const text = source.slice(at, at + length)
    code += blank(text)
    comments += blank(text)
    at += length
  }
  const comment = (end: number): void => {
    const text = source.slice(at, end)
    code += blank(text)
    comments += text
    at = end
  }
  const orEnd = (index: number): number => (index < 0 ? source.length : index)
  /** The text of a template up to its end or its next substitution. */
  const template = (): void => {
    while (at < source.length) {
      if (source[at] === "`") return keep(1)
      if (source.startsWith("${", at)) {
        substitutions.push(0)
        return keep(2)
      }
      hide(source[at] === "\\" ? 2 : 1)
    }
  }

  while (at < source.length) {
    const char = source.charAt(at)
    const open = substitutions.at(-1)
    if (source.startsWith("//", at) || (at === 0 && source.startsWith("#!"))) comment(orEnd(source.indexOf("\n", at)))
    else if (source.startsWith("/*", at)) {
      const close = source.indexOf("*/", at + 2)
      comment(close < 0 ? source.length : close + 2)
    } else if (char === '"' || char === "'") {
      keep(1)
      while (at < source.length && source[at] !== char && source[at] !== "\n") hide(source[at] === "\\" ? 2 : 1)
      keep(1)
    } else if (char === "`") {
      keep(1)
      template()
    } else if (char === "}" && open === 0) {
      substitutions.pop()
      keep(1)
      template()
    } else if (char === "/") {
      const before = code.trimEnd()
      regExpLiteral.lastIndex = at
      const literal = before === "" || beforeRegExp.test(before.slice(-12)) ? regExpLiteral.exec(source) : null
      if (literal === null) keep(1)
      else {
        keep(1)
        hide(literal[0].length - 2)
        keep(1)
      }
    } else {
      if (open !== undefined && char === "{") substitutions[substitutions.length - 1] = open + 1
      if (open !== undefined && char === "}") substitutions[substitutions.length - 1] = open - 1
      keep(1)
    }
  }
  return { code, comments }
}
