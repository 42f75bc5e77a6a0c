import type { Answer } from './http-listener.ts';

/** Entries of a list that are shown if nobody asks for another number. */
const defaultLimit = 100;
const maxLimit = 100_000;

/** How many entries `?limit=n` asks for; the answer that refuses it, a 400, if it is no such number. */
export function readLimit(url: URL): number | Answer {
  const limit = Number(url.searchParams.get('limit') ?? defaultLimit);
  if (Number.isInteger(limit) && limit >= 1 && limit <= maxLimit) return limit;
  return { status: 400, contentType: 'text/plain', body: `invalid limit; expected a number from 1 to ${maxLimit}\n` };
}
