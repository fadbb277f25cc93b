# Sourced: the tests in a copy of this tree that is compiled in another way.
#
#   in_copy FLAGS SUITE...    changes into the copy, where these were the compiler's last options,
#                             and gives what test/run.sh gave

. test/cluster.sh
root=$PWD
copy=

# What was installed to be tested must not stay.
leave_copy() {
	local status=$?
	trap - EXIT
	cd "$root" && rm -rf "$copy"
	[ ! -e emotion.so ] || install_extension
	exit $status
}

in_copy() {
	local flags=$1
	shift
	copy=$(mktemp -d /tmp/emotion-copy.XXXXXX) || exit
	trap leave_copy EXIT
	trap 'exit 130' INT TERM HUP
	tar -c --exclude=./build --exclude=./.git --exclude='*.o' --exclude='*.so' --exclude='*.d' . |
		tar -x -C "$copy" || exit
	# these are not what such runs are for
	rm -f "$copy"/test/{mutate_*,threads}.sh
	# where the server's user may write what it counts
	chmod -R a+rwX "$copy"
	if [ -d "$root/../shared/data" ]; then
		EMOTION_DATA=${EMOTION_DATA:-$(cd "$root/../shared/data" && pwd)}
		export EMOTION_DATA
	fi
	cd "$copy" || exit
	# shellcheck disable=SC2068
	CCACHE_DISABLE=1 COPT=$flags test/run.sh $@
}
