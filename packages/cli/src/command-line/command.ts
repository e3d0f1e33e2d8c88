import type { ExitStatus } from "../exit.ts";
import type { Io } from "../io.ts";

/** A flag of a command: `--name`. */
export interface Flag {
  /** A `list` may be given several times. */
  readonly type: "boolean" | "string" | "integer" | "list";
  readonly short?: string;
  /** Name of its value in help. @defaultValue `"value"` */
  readonly value?: string;
  readonly choices?: readonly string[];
  /** Value when it is left out. */
  readonly default?: boolean | string | number;
  /** Smallest number allowed. @defaultValue 0 */
  readonly least?: number;
  readonly help: string;
}

/** A word of a command that is no flag. */
export interface Word {
  readonly name: string;
  readonly isOptional?: boolean;
  readonly help: string;
}

/** Type of a flag's value. */
type ValueOf<F extends Flag> = F extends { readonly type: "boolean" }
  ? boolean
  : F extends { readonly type: "integer" }
    ? F extends { readonly default: number }
      ? number
      : number | undefined
    : F extends { readonly type: "list" }
      ? readonly string[]
      : (F extends { readonly choices: readonly (infer Choice)[] } ? Choice : string) extends infer Text
        ? F extends { readonly default: string }
          ? Text
          : Text | undefined
        : never;

/** Value of a flag whose type is not known. */
export type AnyValue = boolean | number | string | readonly string[] | undefined;

/** Values of flags by name. */
export type Values<Flags extends Readonly<Record<string, Flag>>> = string extends keyof Flags
  ? Readonly<Record<string, AnyValue>>
  : { readonly [Name in keyof Flags]: ValueOf<Flags[Name]> };

/** A command, from which parsing, help, completion and the reference page come. */
export interface Command<Flags extends Readonly<Record<string, Flag>> = Readonly<Record<string, Flag>>> {
  /** Words after `penguiflow`, such as `runs show`. */
  readonly name: string;
  readonly summary: string;
  /** Paragraphs of help, after the summary. */
  readonly about?: string;
  readonly words: readonly Word[];
  readonly flags: Flags;
  readonly examples: readonly string[];
  /** Exit statuses besides 0 and 2. */
  readonly exits: readonly ExitStatus[];
  /** Runs the command; resolves with its exit status. */
  run(call: { readonly words: readonly string[]; readonly flags: Values<Flags>; readonly io: Io }): Promise<ExitStatus>;
}

/** Makes a command whose flags have their types. */
export function command<const Flags extends Readonly<Record<string, Flag>>>(init: Command<Flags>): Command {
  return init;
}
