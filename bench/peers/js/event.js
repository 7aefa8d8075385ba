// The event handler that is run for each job.
export default {
  event() {},
};
