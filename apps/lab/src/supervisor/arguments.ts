import { constants } from 'node:os';
import { LabError } from '../errors.ts';

type Given = Readonly<Record<string, unknown>>;

/** `name` of a request. Throws LAB_ARGUMENT_INVALID, as all functions here do. */
export function readName(given: Given): string {
  const { name } = given;
  if (typeof name !== 'string' || name === '') throw new LabError('LAB_ARGUMENT_INVALID', 'name: want a text');
  return name;
}

/** `names` of a request: one or more. */
export function readNames(given: Given): readonly string[] {
  const { names } = given;
  if (!Array.isArray(names) || !names.every((name): name is string => typeof name === 'string'))
    throw new LabError('LAB_ARGUMENT_INVALID', 'names: want a list of texts');
  return names;
}

/** `objects` of a request: values of any form. */
export function readObjects(given: Given): readonly unknown[] {
  const { objects } = given;
  if (!Array.isArray(objects)) throw new LabError('LAB_ARGUMENT_INVALID', 'objects: want a list');
  return objects;
}

/** `signal` of a request; SIGTERM if absent. */
export function readSignal(given: Given): NodeJS.Signals {
  const { signal = 'SIGTERM' } = given;
  if (!isSignal(signal)) throw new LabError('LAB_ARGUMENT_INVALID', `signal: ${String(signal)} is none`);
  return signal;
}

/** A number of a request. */
export function readNumber(given: Given, key: string): number {
  const value = given[key];
  if (typeof value !== 'number') throw new LabError('LAB_ARGUMENT_INVALID', `${key}: want a number`);
  return value;
}

/** A whole number of a request, 0 or more; undefined if absent. */
export function readCount(given: Given, key: string): number | undefined {
  const value = given[key];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new LabError('LAB_ARGUMENT_INVALID', `${key}: want a whole number, 0 or more`);
  return value;
}

/** A switch of a request; off if absent. */
export function readFlag(given: Given, key: string): boolean {
  return given[key] === true;
}

function isSignal(value: unknown): value is NodeJS.Signals {
  return typeof value === 'string' && Object.hasOwn(constants.signals, value);
}
