/** The penguin. */
export function Mark() {
  return (
    <svg class="mark" width="22" height="22" viewBox="0 0 24 24" aria-hidden="true">
      <path
        class="mark-body"
        d="M12 1.6c-4.6 0-6.4 3.6-6.4 7.8v6c0 4.4 2.6 7 6.4 7s6.4-2.6 6.4-7v-6c0-4.2-1.8-7.8-6.4-7.8z"
      />
      <path
        class="mark-body"
        d="M5.6 12c-1.6 1.8-2.2 4-1.8 6.6 1.2-.6 1.8-1.6 2.2-3.200zM18.400 12c1.600 1.800 2.200 4 1.800 6.600-1.200-.6-1.800-1.600-2.200-3.200z"
      />
      <path
        class="mark-belly"
        d="M12 8.200c-1.600-1.800-4.200-.8-4 2 .1 1.400.4 2.200.2 4.200-.2 3.400 1.400 5.600 3.800 5.600s4-2.200 3.800-5.600c-.2-2 .1-2.800.2-4.200.2-2.800-2.400-3.800-4-2z"
      />
      <circle class="mark-body" cx="10.100" cy="9.600" r=".9" />
      <circle class="mark-body" cx="13.900" cy="9.600" r=".9" />
      <path class="mark-beak" d="M10.500 11.200h3L12 13.200z" />
    </svg>
  );
}
