/** The person at the pages: answers, steers, and is the user of the runs that the pages begin. */
export const PERSON = "playground";
