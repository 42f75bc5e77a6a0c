/** Names and labels of a cluster are shorter; all that one request carries stays far below what a header block may have. */
const MAX_CHARACTERS = 512;
/** Neither spaces at the ends nor anything else that a header field cannot carry (RFC 9113 8.2.1). */
const VISIBLE_ASCII = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** Whether `text` may stand in a header. What discovery says is not checked anywhere else, and one bad name would end the thread. */
export function fitsHeader(text: string): boolean {
  return text.length <= MAX_CHARACTERS && VISIBLE_ASCII.test(text);
}
