# qemu.sh - how a guest is made: its first ramdisk and its virtual machine (sourced).
# shellcheck shell=bash disable=SC2154 # labkit and run are the caller's

qemu_smp=2
qemu_mem=1024
qemu_append=
qemu_icount=

# What a guest loads before it has a root, in order, with what that needs.
qemu_boot_modules='virtio_pci virtio_console 9p 9pnet_virtio overlay virtio_rng virtio_net'

# qemu_initrd RELEASE LAB-DIR: prints the ramdisk: the modules (kept in the cache) and our init.
qemu_initrd() {
    local dir=$LAB_CACHE/kernels/$1 out=$2/initrd-$1
    [ "$dir/boot-modules.cpio" -nt "$labkit/qemu.sh" ] || qemu_pack_modules "$1" "$dir"
    if [ ! "$out" -nt "$2/init.cpio" ] || [ ! "$out" -nt "$dir/boot-modules.cpio" ]; then
        cat "$dir/boot-modules.cpio" "$2/init.cpio" >"$out.new"
        mv "$out.new" "$out"
    fi
    echo "$out"
}

qemu_pack_modules() {
    local release=$1 dir=$2 tree n=10 module file
    tree=$(mktemp -d "$dir/pack.XXXXXX")
    mkdir "$tree/modules"
    for module in $qemu_boot_modules; do
        /usr/sbin/modprobe -d "$dir" -S "$release" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$tree/list"
    while read -r file; do
        n=$((n + 1))
        case $file in
        *.xz) xz -dc "$file" >"$tree/modules/$n-$(basename "$file" .xz)" ;;
        *.zst) zstd -qdc "$file" >"$tree/modules/$n-$(basename "$file" .zst)" ;;
        *) cp "$file" "$tree/modules/$n-${file##*/}" ;;
        esac
    done <"$tree/list"
    (cd "$tree" && find modules | cpio -o -H newc --quiet -R 0:0) >"$dir/boot-modules.cpio.new"
    mv "$dir/boot-modules.cpio.new" "$dir/boot-modules.cpio"
    rm -rf "$tree"
}

# The kernel starts one processor; init starts the others (boot.c says why).
#
# Adds the arguments for one machine to the array `hub`: NAME NUMBER [NETWORK-ARG...].
qemu_machine() {
    local name=$1 port=$((50 + $2)) vmlinux=$3 initrd=$4
    shift 4
    local smp=$qemu_smp accel='tcg,thread=multi'
    local -a clock=()
    if [ -n "$qemu_icount" ]; then
        smp=1
        accel='tcg,thread=single'
        clock=(-icount 'shift=0,sleep=off')
    fi
    hub+=(--machine "$name" qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none
        -M q35 -accel "$accel" "${clock[@]}" -cpu max -smp "$smp" -m "$qemu_mem"
        -kernel "$vmlinux" -initrd "$initrd"
        -append "console=ttyS0 quiet panic=-1 oops=panic log_buf_len=1M random.trust_cpu=on maxcpus=1 $qemu_append"
        -chardev "file,id=console,path=$run/$name.console" -serial chardev:console
        -device virtio-rng-pci
        -fsdev 'local,id=root,path=/,security_model=none,readonly=on,multidevs=remap'
        -device 'virtio-9p-pci,fsdev=root,mount_tag=root'
        -fsdev "local,id=out,path=${LAB_OUT//,/,,},security_model=none,multidevs=remap"
        -device 'virtio-9p-pci,fsdev=out,mount_tag=out'
        -device virtio-serial-pci -chardev "socket,id=hub,fd=$port"
        -device 'virtserialport,chardev=hub,name=lab'
        "$@" --end)
}

# A network card at one end of a cable (a pair of connected sockets that the hub makes).
qemu_card() { # NAME DESCRIPTOR MAC
    echo -netdev "stream,id=$1,server=off,addr.type=fd,addr.str=$2" \
        -device "virtio-net-pci,netdev=$1,mac=$3,romfile="
}

# qemu_machines COUNT VMLINUX INITRD: all machines, in the hub's order.
#
# Two cables run to the gateway, whose QEMU joins them and its own card by a hub:
#
#     workload 10.77.1.2 ---60+61--- [hub] ---62+63--- server 10.77.1.3
#                                      |
#                              gateway 10.77.1.1
qemu_machines() {
    local -a card
    if [ "$1" = 1 ]; then
        qemu_machine workload 0 "$2" "$3"
        return
    fi
    hub+=(--pairs 2 --set "script=$labkit/guest/network")
    read -ra card < <(qemu_card lan 60 52:54:00:77:01:02)
    qemu_machine workload 0 "$2" "$3" "${card[@]}"
    card=(-netdev 'stream,id=cable0,server=off,addr.type=fd,addr.str=61' -netdev 'hubport,id=port0,hubid=0,netdev=cable0'
        -netdev 'stream,id=cable1,server=off,addr.type=fd,addr.str=62' -netdev 'hubport,id=port1,hubid=0,netdev=cable1'
        -netdev 'hubport,id=lan,hubid=0' -device 'virtio-net-pci,netdev=lan,mac=52:54:00:77:01:01,romfile=')
    qemu_machine gateway 1 "$2" "$3" "${card[@]}"
    read -ra card < <(qemu_card lan 63 52:54:00:77:01:03)
    qemu_machine server 2 "$2" "$3" "${card[@]}"
}
