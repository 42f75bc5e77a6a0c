/**
 * A text on one line of a terminal: names and values come from others, and must neither forge lines nor steer the terminal.
 * What would do so becomes `\u000a`, `\u001b`, ….
 */
export function escapeControls(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return `\\u${code.padStart(4, '0')}`;
  });
}
