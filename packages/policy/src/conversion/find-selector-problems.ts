import { describeValue } from '../validation/describe-value.ts';
import type { WorkloadSelector } from './policy-object.ts';
import type { ProblemList } from './problem-list.ts';

/** Of the name of a label without its prefix, and of its value. */
const MOST_CHARACTERS = 63;
/** Of the prefix: a DNS name. */
const MOST_PREFIX_CHARACTERS = 253;
const WORD_FORM = 'letters and digits, with -, _ and . between them';
const NAME_FORM = `its name has at most ${MOST_CHARACTERS} ${WORD_FORM}, perhaps after a DNS name and /`;

/**
 * Tells labels that no workload can have; those that the reference takes all the same are warnings.
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
 */
export function findSelectorProblems(selector: WorkloadSelector | undefined, problems: ProblemList): void {
  for (const [name, value] of Object.entries(selector?.matchLabels ?? {})) {
    const path = `spec.selector.matchLabels[${JSON.stringify(name)}]`;
    if (name === '') problems.fail(path, 'want the name of a label');
    else if (`${name}${value}`.includes('*'))
      problems.fail(path, 'labels are compared as they are: * stands for nothing else');
    else if (value.length > MOST_CHARACTERS)
      problems.fail(path, `want at most ${MOST_CHARACTERS} characters, not ${value.length}`);
    else if (!isLabelName(name)) problems.warn(path, `no workload has this label: ${NAME_FORM}`);
    else if (!isWord(value) && value !== '')
      problems.warn(path, `no workload has the value ${describeValue(value)}: ${WORD_FORM}`);
  }
}

function isLabelName(name: string): boolean {
  const slash = name.lastIndexOf('/');
  const prefix = name.slice(0, Math.max(slash, 0));
  const isPrefix = /^[a-z\d]([-a-z\d.]*[a-z\d])?$/.test(prefix) && prefix.length <= MOST_PREFIX_CHARACTERS;
  const word = name.slice(slash + 1);
  return (slash < 0 || isPrefix) && word.length <= MOST_CHARACTERS && isWord(word);
}

function isWord(text: string): boolean {
  return /^[\dA-Za-z]([-\w.]*[\dA-Za-z])?$/.test(text);
}
