#include <ringline/ringline.h>

static int work(void *arg)
{
	(void)arg;
	return ringline_sleep(RINGLINE_NSEC_PER_MSEC);
}

int start_and_wait(void *arg)
{
	struct ringline_task *task;
	int result;
	int r = ringline_task_start(&task, work, arg, NULL);

	if (r == 0)
		r = ringline_task_join(task, &result);
	return r < 0 ? r : result;
}
